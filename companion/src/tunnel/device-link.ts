import { readFileSync, writeFileSync } from "node:fs";
import {
  RESOLVER_ADDRESS4,
  RESOLVER_ADDRESS6,
  TUNNEL_ADDRESS4,
  TUNNEL_ADDRESS6,
} from "../firewall/policy.ts";
import { runIp, showIp } from "./run-ip.ts";

/**
 * The longest packet that the device takes. A datagram of this length, in the headers of SOCKS5, UDP and IPv6 instead of
 * its own, fits the 1492 bytes of a DSL line. TCP does not pass the device: it is redirected before.
 */
export const DEVICE_MTU = 1_420;

/** Settings of the kernel that are raised while there is a device, and put back. */
const raised: readonly { readonly name: string; readonly least: number }[] = [
  // Nobody on another link is told where the tunnel's addresses are.
  { name: "ipv4/conf/all/arp_ignore", least: 2 },
  // Packets are checked by the way that those with their mark go.
  { name: "ipv4/conf/all/src_valid_mark", least: 1 },
];

/**
 * Gives the device its addresses and brings it up. What was raised is put back by the returned function.
 * @throws ClearError
 */
export async function bringUp(device: string): Promise<() => void> {
  const putBack = raised.map(({ name, least }) => raise(name, least));
  // Answers come from anywhere, whatever the other routes say.
  write(`ipv4/conf/${device}/rp_filter`, 2);
  await runIp(4, [
    `link set dev ${device} mtu ${DEVICE_MTU}`,
    `addr replace ${TUNNEL_ADDRESS4}/30 dev ${device}`,
    `addr replace ${RESOLVER_ADDRESS4}/32 dev ${device}`,
    `link set dev ${device} up`,
  ]);
  for (const [name, value] of [
    ["disable_ipv6", 0],
    ["accept_ra", 0],
    ["autoconf", 0],
    ["router_solicitations", 0],
  ] as const) {
    write(`ipv6/conf/${device}/${name}`, value);
  }
  // A machine without IPv6 has nothing to lead anywhere.
  await runIp(
    6,
    [
      `addr replace ${TUNNEL_ADDRESS6}/126 dev ${device} nodad`,
      `addr replace ${RESOLVER_ADDRESS6}/128 dev ${device} nodad`,
    ],
    { force: true },
  );
  return () => {
    for (const each of putBack) each();
  };
}

/** Whether the device is there, is up, and has its addresses. */
export async function isUp(device: string): Promise<boolean> {
  const shown = await showIp(4, ["addr", "show", "dev", device]);
  const addresses = [TUNNEL_ADDRESS4, RESOLVER_ADDRESS4];
  return /[<,]UP[,>]/.test(shown) && addresses.every((address) => shown.includes(`inet ${address}/`));
}

function raise(name: string, least: number): () => void {
  const before = read(name);
  if (before === undefined || before >= least) return () => {};
  write(name, least);
  return () => {
    if (read(name) === least) write(name, before);
  };
}

function read(name: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/net/${name}`, "utf8"));
  } catch {
    return undefined;
  }
}

function write(name: string, value: number): void {
  try {
    writeFileSync(`/proc/sys/net/${name}`, String(value));
  } catch {
    // This kernel has no such setting, or it may not be changed: the firewall's rules do not depend on it.
  }
}
