import type { Endpoint, Policy, SplitRules } from "@atlantic/companion/src/firewall/policy.ts";

export const families = [4, 6] as const;
export const ports = [53, 443, 853, 1337] as const;
export const protocols = ["tcp", "udp", "icmp", "raw"] as const;
/** What flows are, and datagrams. */
export const transports = ["tcp", "udp"] as const;
/** DNS, and DNS over TLS. */
export const resolverPorts = [53, 853] as const;
export type Family = (typeof families)[number];
export type Transport = (typeof transports)[number];
export type Protocol = (typeof protocols)[number];

/**
 * Who sends, and how. Ordinary users have no capability; the upstream's address and port are what root may try
 * without the mark, or with a wrong one.
 */
export const ways = [
  "plain",
  "bound to the link",
  "wrong mark, to the upstream",
  "other root process, to the upstream",
  "right mark, elsewhere",
  "right mark, to the upstream",
  "to a neighbour",
  "bridged container",
  "bridged container, to a neighbour",
  "container on its own link",
  "macvlan container",
  "macvlan container, to a neighbour",
  "VLAN tag",
  "two VLAN tags",
  "flow opened before",
  "flow opened before, to the upstream",
  "flow of the bridged container opened before",
  "asked from outside",
  "chosen user",
  "chosen control group",
  "to a chosen destination",
  "bridged container, to a chosen destination",
] as const;
export type Way = (typeof ways)[number];

/** One kind of packet that is tried in every state. */
export interface Shape {
  readonly way: Way;
  readonly family: Family;
  readonly protocol: Protocol;
  /** 0 for ICMP. */
  readonly port: number;
  readonly direction: "out" | "forwarded";
}

/** Every kind of packet there is: ways × families × protocols × ports, without what cannot be sent. */
export const shapes: readonly Shape[] = ways.flatMap((way) =>
  families.flatMap((family) =>
    protocols
      .filter((protocol) => canBeSent(way, protocol))
      .flatMap((protocol) =>
        (protocol === "icmp" ? [0] : ports).map((port) => ({
          way,
          family,
          protocol,
          port,
          direction:
            way.includes("bridged") || way === "container on its own link"
              ? ("forwarded" as const)
              : ("out" as const),
        })),
      ),
  ),
);

function canBeSent(way: Way, protocol: Protocol): boolean {
  if (way.includes("VLAN")) return protocol === "raw";
  // Who writes frames is known by the user at most.
  if (way === "chosen control group") return protocol !== "raw";
  // A flow, and an answer, are things of the kernel's stack.
  if (way.includes("opened before") || way === "asked from outside") return protocol !== "raw";
  return true;
}

/** Where upstreams are: an address of each family. */
export type UpstreamSite = Readonly<Record<Family, string>>;

/** The endpoints that policies of the matrix name at a site: TCP 53, 443 and 1337, UDP 1337, both families. */
export function endpointsAt(site: UpstreamSite): Endpoint[] {
  return families.flatMap((family) => [
    { address: site[family], protocol: "tcp", port: 53 } as const,
    { address: site[family], protocol: "tcp", port: 443 } as const,
    { address: site[family], protocol: "tcp", port: 1337 } as const,
    { address: site[family], protocol: "udp", port: 1337 } as const,
  ]);
}

/** Endpoints that a marked socket may reach under a policy. */
export function endpointsOf(policy: Policy): readonly Endpoint[] {
  return policy.kind === "blocked" ? policy.bootstrap : policy.upstreams;
}

/**
 * What must become of a packet: `dark` is never seen outside, `seen` must be. The upstream is where the shape's
 * packets to "the upstream" go.
 */
export function expected(shape: Shape, policy: Policy, upstream: UpstreamSite): "dark" | "seen" {
  const { way, family, port } = shape;
  const split = policy.kind === "connected" ? policy.split : null;
  if (split?.mode === "only") return isChosen(way, split) ? "dark" : "seen";
  if (split && isChosen(way, split) && (shape.direction === "forwarded" || goesBeside(shape))) return "seen";
  // A raw frame carries UDP.
  const carried = shape.protocol === "raw" ? "udp" : shape.protocol;
  if (way === "right mark, to the upstream") {
    const named = endpointsOf(policy).some(
      (each) => each.address === upstream[family] && each.protocol === carried && each.port === port,
    );
    return named ? "seen" : "dark";
  }
  if (way.includes("to a neighbour") && policy.allowLan) return isDns(port) ? "dark" : "seen";
  if (way === "asked from outside" && policy.allowLan) return "seen";
  return "dark";
}

/** Whether all is refused that the policy does not name. */
export function isClosed(policy: Policy): boolean {
  return policy.kind !== "connected" || policy.split?.mode !== "only";
}

/** Whether a split tunnel names it. */
function isChosen(way: Way, { cgroups, uids, destinations }: SplitRules): boolean {
  if (way === "chosen user") return uids.length > 0;
  if (way === "chosen control group") return cgroups.length > 0;
  return way.endsWith("to a chosen destination") && destinations.length > 0;
}

/** All but questions for names, which go to the resolver whoever asks, and frames, which nothing marks. */
function goesBeside({ protocol, port }: Shape): boolean {
  return protocol !== "raw" && port !== 53;
}

/** Names are asked of the tunnel's resolver alone, also on the local network. */
function isDns(port: number): boolean {
  return resolverPorts.some((each) => each === port);
}

/** One line that names a shape. */
export function describeShape({ way, family, protocol, port, direction }: Shape): string {
  const what =
    protocol === "icmp" ? "ICMP echo" : `${protocol === "raw" ? "raw frame" : protocol.toUpperCase()}`;
  return `${way}: IPv${family} ${what}${protocol === "icmp" ? "" : ` port ${port}`}, ${direction}`;
}
