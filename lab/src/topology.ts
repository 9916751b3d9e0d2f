/**
 * The lab's small internet: every node has a namespace of its own with one link, `eth0`, to the router.
 * Exits use the documentation ranges (RFC 5737, RFC 3849), the client and the gateway the shared range of
 * carriers (RFC 6598): a packet that got out by mistake would reach nobody.
 */

/** A node's part in the lab. The router only forwards. */
export type Role = "client" | "gateway" | "exit-us" | "exit-de" | "exit-jp" | "sites";

export interface LabNode {
  readonly role: Role;
  /** IPv4 addresses of `eth0`; the first is the one it sends from. */
  readonly addresses: readonly [string, ...string[]];
  readonly addresses6: readonly [string, ...string[]];
  /** Names of the addresses, by position. */
  readonly names: readonly [string, ...string[]];
}

export const nodes: readonly LabNode[] = [
  node("client", "100.64.0.10", "2001:db8:1::10", "client.lab.test"),
  node("gateway", "100.64.1.10", "2001:db8:2::10", "gateway.lab.test"),
  node("exit-us", "203.0.113.10", "2001:db8:3::10", "us.exits.lab.test"),
  node("exit-de", "198.51.100.10", "2001:db8:4::10", "de.exits.lab.test"),
  node("exit-jp", "192.0.2.10", "2001:db8:5::10", "jp.exits.lab.test"),
  {
    role: "sites",
    // There are only three documentation ranges: the sites share Japan's.
    addresses: ["192.0.2.80", "192.0.2.81", "192.0.2.82"],
    addresses6: ["2001:db8:6::80", "2001:db8:6::81", "2001:db8:6::82"],
    names: ["shop.lab.test", "news.lab.test", "cdn.lab.test"],
  },
];

function node(role: Role, address: string, address6: string, name: string): LabNode {
  return { role, addresses: [address], addresses6: [address6], names: [name] };
}

/** The node with this role. */
export function nodeOf(role: Role): LabNode {
  const found = nodes.find((each) => each.role === role);
  if (found === undefined) throw new Error(`The lab has no node ${role}.`);
  return found;
}

/** The router's end of every link: the same address on each, because each link joins two machines only. */
export const ROUTER_ADDRESS = "169.254.1.1";
export const ROUTER_ADDRESS6 = "fe80::1";

/** The hosts file of every namespace: the lab's whole name system. */
export function hostsFile(extra: Readonly<Record<string, string>> = {}): string {
  const lines = nodes.flatMap(({ addresses, names }) =>
    names.map((name, index) => `${addresses[index] ?? addresses[0]} ${name}`),
  );
  const extras = Object.entries(extra).map(([name, address]) => `${address} ${name}`);
  return ["127.0.0.1 localhost", "::1 localhost", ...lines, ...extras, ""].join("\n");
}
