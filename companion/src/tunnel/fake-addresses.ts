import { BlockList, isIPv4 } from "node:net";
import { FAKE_ADDRESSES4, TUNNEL_ADDRESSES6 } from "../firewall/policy.ts";

/** Addresses that stand for names, and those of the tunnel: never dialled as they are. */
export const FAKE_RANGES = [FAKE_ADDRESSES4, TUNNEL_ADDRESSES6].map((range) => {
  const [address = "", prefix] = range.split("/");
  return { address, prefix: Number(prefix) };
});

const fake = new BlockList();
for (const { address, prefix } of FAKE_RANGES) fake.addSubnet(address, prefix, familyOf(address));

/** Whether an address is one of them. */
export function isFake(address: string): boolean {
  return fake.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}
