import type { Endpoint } from "./policy.ts";

/**
 * Rules without a dialect: small enough to be encoded for the kernel by hand, printed for three systems, and walked by
 * a simulator. A rule holds when all of its matches do; then its acts are done, and its verdict falls.
 */
export interface RuleSet {
  readonly table: string;
  /** Hooks of the IP stack, IPv4 and IPv6. */
  readonly inet: Table;
  /** What may leave by a link at all, whoever wrote the frame. */
  readonly egress: Egress;
  /** Kernel settings, held for as long as there are rules. */
  readonly settings: readonly Setting[];
}

export interface Table {
  readonly sets: readonly NamedSet[];
  readonly chains: readonly Chain[];
}

/** Every link except loopback and `spared` gets a chain that hands each frame to `chain`, then to `policy`. */
export interface Egress extends Table {
  readonly chain: string;
  readonly policy: "accept" | "drop";
  /** Rules that links to containers and virtual machines (bridge, veth) have besides. */
  readonly internal: readonly Rule[];
  /** Index of the link that needs no chain: the tunnel's. */
  readonly spared: number | null;
}

export type NamedSet =
  | {
      readonly holds: "upstreams";
      readonly name: string;
      readonly family: Family;
      readonly elements: readonly Endpoint[];
    }
  | {
      readonly holds: "networks";
      readonly name: string;
      readonly family: Family;
      readonly elements: readonly string[];
    }
  /**
   * Control groups in the same group as `path`, with or without that one itself. The holder knows their numbers, and
   * adds those that are made later.
   */
  | {
      readonly holds: "groups-beside";
      readonly name: string;
      readonly path: string;
      readonly itself: boolean;
    };

export type Family = 4 | 6;

export interface Chain {
  readonly name: string;
  /** Where the kernel enters it; null for a chain that is jumped to. */
  readonly base: Base | null;
  readonly rules: readonly Rule[];
}

export interface Base {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface Rule {
  /** What it is there for; unique in its chain. Kept as the rule's comment. At most 100 bytes. */
  readonly why: string;
  readonly matches: readonly Match[];
  readonly acts: readonly Act[];
  readonly verdict: Verdict;
}

export type Protocol = "tcp" | "udp" | "icmp" | "icmpv6";
export type Side = "source" | "destination";

export type Match =
  | { readonly is: "link"; readonly way: "in" | "out"; readonly index: number }
  /** The kind of link that it came in by, e.g. "bridge". */
  | { readonly is: "link-kind"; readonly kind: string }
  | { readonly is: "mark"; readonly mark: number }
  | { readonly is: "flow-mark"; readonly mark: number }
  | { readonly is: "flow-state"; readonly states: readonly ("new" | "established" | "related")[] }
  | { readonly is: "reply" }
  | { readonly is: "family"; readonly family: Family }
  | { readonly is: "protocol"; readonly protocol: Protocol }
  | { readonly is: "port"; readonly side: Side; readonly port: number; readonly not: boolean }
  /** The address is in a network in CIDR notation. After a "family" match. */
  | {
      readonly is: "network";
      readonly side: Side;
      readonly family: Family;
      readonly network: string;
      readonly not: boolean;
    }
  /** The address is in a set of networks. After a "family" match. */
  | { readonly is: "in-networks"; readonly side: Side; readonly family: Family; readonly set: string }
  /** Address, protocol and port are in a set of upstreams. After a "family" match. */
  | { readonly is: "in-upstreams"; readonly side: Side; readonly family: Family; readonly set: string }
  /** ICMP type and code. After a "protocol" match. */
  | { readonly is: "icmp"; readonly family: Family; readonly type: number; readonly code: number }
  /** The packet's length in bytes: from the IP header on, or from the frame's on where links are filtered. */
  | { readonly is: "at-most"; readonly bytes: number }
  /** The type that is written in the Ethernet frame. Only where links are filtered. */
  | { readonly is: "frame-type"; readonly type: number }
  /** The user whose socket sends. */
  | { readonly is: "user"; readonly uid: number }
  /** The control group whose socket sends: path from the root of the hierarchy, no leading slash. */
  | { readonly is: "control-group"; readonly path: string }
  /** The sender's control group, or the one above it that is at this level (1: below the root), is not in the set. */
  | { readonly is: "group-not-in"; readonly level: number; readonly set: string }
  /** Routing would send it out by this link. */
  | { readonly is: "routed-to"; readonly index: number }
  /** Routing would send what goes back to its source out by the link that it came in by. */
  | { readonly is: "back-by-its-link" }
  /** No more often than this. Counts, so it comes last. */
  | { readonly is: "rate"; readonly perSecond: number; readonly burst: number };

export type Act =
  | { readonly do: "mark"; readonly mark: number }
  | { readonly do: "flow-mark"; readonly mark: number };

export type Verdict =
  | { readonly to: "accept" }
  | { readonly to: "drop" }
  /** Goes on with the next rule. */
  | { readonly to: "go-on" }
  | { readonly to: "return" }
  | { readonly to: "jump"; readonly chain: string }
  /** TCP reset to the sender. After a "protocol" match of tcp. */
  | { readonly to: "reset" }
  /** ICMP port unreachable to the sender. */
  | { readonly to: "refuse" }
  /** To this machine itself, at this port. After a "protocol" match. */
  | { readonly to: "redirect"; readonly port: number }
  /** To this address of this machine, at this port. After "family" and "protocol" matches. */
  | { readonly to: "lead"; readonly family: Family; readonly address: string; readonly port: number }
  /** From the address of the link that it leaves by. */
  | { readonly to: "masquerade" };

/** A file below /proc/sys and what stands in it. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

export const LOOPBACK_INDEX = 1;
