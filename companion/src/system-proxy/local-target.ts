import { BlockList, isIP } from "node:net";

/** Addresses that mean this machine, its networks, or nobody. */
const local = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  local.addSubnet(network, bits, "ipv4");
}
for (const [network, bits] of [
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  local.addSubnet(network, bits, "ipv6");
}

/**
 * Whether a target means this machine or its network: an address that is not of the public internet, or a name that
 * only this machine's own lookups know. Other names are never looked up here, so none can turn out to be local.
 */
export function isLocalTarget(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  // IPv4 in IPv6 is found among the IPv4 networks.
  if (isIP(name) === 4) return local.check(name, "ipv4");
  if (isIP(name) === 6) return local.check(name, "ipv6");
  // A last label that is a number is how some programs spell an address: 127.1, 0x7f.1, 2130706433.
  if (/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name)) return true;
  return !name.includes(".") || /\.(?:localhost|local|internal|home\.arpa|lan)$/.test(name);
}
