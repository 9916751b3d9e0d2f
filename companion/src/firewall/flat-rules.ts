import { FirewallError } from "./firewall-error.ts";
import { SPLIT_CHAIN } from "./inet-rules.ts";
import { MARK } from "./policy.ts";
import type { Chain, Family, Match, NamedSet, Protocol, Rule, RuleSet } from "./rule-set.ts";

/**
 * A rule for systems that know neither marks nor chains: everything that it asks for, at once. What is null is not
 * asked for. They stand in their order, and the first that holds decides.
 */
export interface FlatRule {
  readonly why: string;
  readonly way: "out" | "in";
  /** Index of the link. */
  readonly link: number | null;
  /** Only what the daemon itself sends: where nft matches the mark. */
  readonly ours: boolean;
  readonly family: Family | null;
  readonly protocol: Protocol | null;
  readonly source: AddressTest | null;
  readonly destination: AddressTest | null;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  readonly icmp: { readonly type: number; readonly code: number } | null;
  readonly verdict: "accept" | "drop" | "reset" | "refuse";
}

export interface AddressTest {
  /** In one of these, in CIDR notation. */
  readonly networks: readonly string[];
  readonly not: boolean;
}

/**
 * The rules of the output and input hooks without jumps and sets. What such a system cannot express is left out where
 * that allows less; limits of size and rate are left out too, which allows more of what a link needs.
 *
 * @throws FirewallError for a split tunnel, which only Linux has
 */
export function flatRules(rules: RuleSet): FlatRule[] {
  if (rules.inet.chains.some(({ name }) => name === SPLIT_CHAIN))
    throw new FirewallError(
      "A split tunnel cannot be kept on this system: nothing was changed. Choose all traffic, or use Linux.",
    );
  return (["output", "input"] as const).flatMap((hook) => {
    const chain = rules.inet.chains.find(({ name }) => name === hook);
    const way = hook === "output" ? "out" : "in";
    return chain ? expand(chain, blank(way), rules) : [];
  });
}

function blank(way: "out" | "in"): Draft {
  return {
    way,
    link: null,
    ours: false,
    family: null,
    protocol: null,
    source: null,
    destination: null,
    sourcePort: null,
    destinationPort: null,
    icmp: null,
  };
}

type Draft = Omit<FlatRule, "why" | "verdict">;

function expand(chain: Chain, draft: Draft, rules: RuleSet): FlatRule[] {
  return chain.rules.flatMap((rule) => {
    const drafts = narrow([draft], rule.matches, rules);
    if (drafts === null) return mayGo(rule, rules) ? [] : lost(rule);
    return drafts.flatMap((each) => decide(rule, each, rules));
  });
}

function decide(rule: Rule, draft: Draft, rules: RuleSet): FlatRule[] {
  const { why, verdict } = rule;
  switch (verdict.to) {
    case "accept":
    case "drop":
    case "reset":
    case "refuse":
      return [{ ...draft, why, verdict: verdict.to }];
    case "jump":
      return expand(chainOf(rules, verdict.chain), draft, rules);
    default:
      return lost(rule);
  }
}

function chainOf(rules: RuleSet, name: string): Chain {
  const chain = rules.inet.chains.find((each) => each.name === name);
  if (!chain) throw new FirewallError(`There is no chain ${name}: the rules do not fit together.`);
  return chain;
}

/** A rule that only ever allows can be left out: less is allowed then. */
function mayGo({ verdict }: Rule, rules: RuleSet): boolean {
  if (verdict.to === "accept") return true;
  return verdict.to === "jump" && chainOf(rules, verdict.chain).rules.every((each) => mayGo(each, rules));
}

function lost({ why }: Rule): never {
  throw new FirewallError(`The rule "${why}" cannot be expressed on this system: nothing was changed.`);
}

/** @returns null where a match cannot be expressed */
function narrow(drafts: Draft[], matches: readonly Match[], rules: RuleSet): Draft[] | null {
  const [match, ...rest] = matches;
  if (match === undefined) return drafts;
  const next = drafts.map((draft) => apply(draft, match, rules));
  if (next.some((each) => each === null)) return null;
  return narrow(
    next.flatMap((each) => each ?? []),
    rest,
    rules,
  );
}

function apply(draft: Draft, match: Match, rules: RuleSet): Draft[] | null {
  switch (match.is) {
    case "link":
      return [{ ...draft, link: match.index }];
    case "mark":
      return match.mark === MARK ? [{ ...draft, ours: true }] : null;
    case "family":
      return [{ ...draft, family: match.family }];
    case "protocol":
      return [{ ...draft, protocol: match.protocol }];
    case "port":
      return match.not ? null : [{ ...draft, [`${match.side}Port`]: match.port }];
    case "network":
      return [{ ...draft, [match.side]: { networks: [match.network], not: match.not } }];
    case "in-networks":
      return [{ ...draft, [match.side]: { networks: networksOf(rules, match.set), not: false } }];
    case "in-upstreams":
      return upstreamsOf(rules, match.set).map(({ address, protocol, port }) => ({
        ...draft,
        protocol,
        [match.side]: { networks: [`${address}/${match.family === 4 ? 32 : 128}`], not: false },
        [`${match.side}Port`]: port,
      }));
    case "icmp":
      return [{ ...draft, icmp: { type: match.type, code: match.code } }];
    case "at-most":
    case "rate":
      return [draft];
    // These systems know a flow by their own states, and let its answers in by them.
    default:
      return null;
  }
}

function networksOf({ inet }: RuleSet, name: string): readonly string[] {
  const set = inet.sets.find((each) => each.name === name);
  return set?.holds === "networks" ? set.elements : missing(name);
}

function upstreamsOf({ inet }: RuleSet, name: string): Extract<NamedSet, { holds: "upstreams" }>["elements"] {
  const set = inet.sets.find((each) => each.name === name);
  return set?.holds === "upstreams" ? set.elements : missing(name);
}

function missing(name: string): never {
  throw new FirewallError(`There is no set ${name}: the rules do not fit together.`);
}
