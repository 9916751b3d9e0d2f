import { BlockList, isIPv4, isIPv6 } from "node:net";
import { isPublicAddress } from "@atlantic/server/src/gateway/address-rules.ts";
import { connectTarget, httpTarget } from "@atlantic/server/src/gateway/http/target.ts";
import { bytesOf, type FuzzTarget, holds, same } from "../fuzz-target.ts";
import { mutated } from "../mutate.ts";
import { outcomeOf } from "./outcome.ts";

/** Node's own reading of the ranges that no exit may reach: another program's view of the same table. */
const denied = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  denied.addSubnet(network, bits, "ipv4");
  // The same addresses wrapped: mapped, compatible and translated.
  const [a = 0, b = 0, c = 0, d = 0] = network.split(".").map(Number);
  const wrapped = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  denied.addSubnet(`::${wrapped}`, 96 + bits, "ipv6");
  denied.addSubnet(`64:ff9b::${wrapped}`, 96 + bits, "ipv6");
}
for (const [network, bits] of [
  ["::", 127],
  ["64:ff9b:1::", 48],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
  ["2001:db8::", 32],
  ["2001::", 32],
  ["2002::", 16],
] as const) {
  denied.addSubnet(network, bits, "ipv6");
}

const corpus = bytesOf(
  "127.0.0.1",
  "10.1.2.3:80",
  "8.8.8.8:443",
  "[::1]:80",
  "[::ffff:127.0.0.1]:80",
  "[64:ff9b::7f00:1]",
  "[2001:4860:4860::8888]:443",
  "[fe80::1%25lo]:80",
  "example.com:8080",
  "0x7f.1:80",
  "[2002:7f00:1::]:1",
  "172.31.255.255:65535",
  "100.127.0.1",
  "1::00.127.0.1",
);
const tokens = bytesOf(
  "::",
  "ffff:",
  "127.",
  "0x",
  "017",
  "%25",
  "[",
  "]",
  ":80",
  ".",
  "169.254.169.254",
  "64:ff9b:",
);

/** Targets and the addresses in them: never out of range, and never public where Node says that they are not. */
export const addresses: FuzzTarget = {
  name: "targets and addresses",
  weight: 2,
  input: (random) => mutated(random, corpus, tokens),
  check(input) {
    const text = input.toString("latin1");
    for (const read of [httpTarget, connectTarget]) {
      const found = outcomeOf(() => read(text));
      if (!("result" in found)) continue;
      const { host, port } = found.result;
      holds(port > 0 && port < 65_536, `The port is ${port}.`);
      holds(/^[a-z0-9._:-]+$/.test(host), () => `The host is ${JSON.stringify(host)}.`);
      const again = read(`${host.includes(":") ? `[${host}]` : host}:${port}`);
      same([again.host, again.port], [host, port], "A target is written as another");
      checkAddress(host);
    }
    checkAddress(text);
  },
};

function checkAddress(text: string): void {
  if (!isPublicAddress(text)) return;
  const family = isIPv4(text) ? "ipv4" : isIPv6(text) ? "ipv6" : undefined;
  holds(family !== undefined, () => `${JSON.stringify(text)} is no address and said to be public.`);
  holds(!denied.check(text, family), `${text} is said to be public.`);
}
