import type { Act, Chain, Family, Match, Protocol, Rule, Side, Verdict } from "./rule-set.ts";

/** Short words for rules, so that a list of them can be read as one. */
export function rule(
  why: string,
  matches: readonly Match[],
  verdict: Verdict,
  acts: readonly Act[] = [],
): Rule {
  return { why, matches, acts, verdict };
}

export function subChain(name: string, rules: readonly Rule[]): Chain {
  return { name, base: null, rules };
}

export const accept: Verdict = { to: "accept" };
export const drop: Verdict = { to: "drop" };
export const goOn: Verdict = { to: "go-on" };
export const refuse: Verdict = { to: "refuse" };
export const reset: Verdict = { to: "reset" };

export function jump(chain: string): Verdict {
  return { to: "jump", chain };
}

export function out(index: number): Match {
  return { is: "link", way: "out", index };
}

export function into(index: number): Match {
  return { is: "link", way: "in", index };
}

export function kind(name: string): Match {
  return { is: "link-kind", kind: name };
}

export const isReply: Match = { is: "reply" };

export function mark(value: number): Match {
  return { is: "mark", mark: value };
}

export function flowMark(value: number): Match {
  return { is: "flow-mark", mark: value };
}

export function family(value: Family): Match {
  return { is: "family", family: value };
}

export function protocol(value: Protocol): Match {
  return { is: "protocol", protocol: value };
}

export function port(side: Side, value: number): Match {
  return { is: "port", side, port: value, not: false };
}

export function notPort(side: Side, value: number): Match {
  return { is: "port", side, port: value, not: true };
}

export function network(side: Side, value: string): Match {
  return { is: "network", side, family: familyOf(value), network: value, not: false };
}

export function notNetwork(side: Side, value: string): Match {
  return { is: "network", side, family: familyOf(value), network: value, not: true };
}

/** @param address a literal, or a network in CIDR notation */
export function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}

/** The network of one address. */
export function hostNetwork(address: string): string {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}

export const families: readonly Family[] = [4, 6];
