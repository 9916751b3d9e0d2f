import { accept, drop, families, family, familyOf, mark, network, protocol, rule } from "./build-rule.ts";
import { frames, linkScopeOut } from "./link-scope.ts";
import { chosenDestinations, lan, setsOf, upstream } from "./named-sets.ts";
import {
  ANSWER_MARK,
  DIRECT_MARK,
  FAKE_ADDRESSES4,
  MARK,
  PASSED_MARK,
  type SplitRules,
  TUNNEL_ADDRESSES6,
} from "./policy.ts";
import type { RuleParts } from "./rule-parts.ts";
import type { Egress, Rule } from "./rule-set.ts";
import { otherResolvers } from "./through-tunnel.ts";

/** Length of an Ethernet header, which counts where links are filtered. */
const ETHERNET = 14;
const CHAIN = "egress";

/**
 * What may leave by a link, whoever wrote the frame: packet sockets, macvlan and ipvlan, bridged guests and VLAN tags
 * pass by the IP stack's hooks and end here.
 */
export function egress(parts: RuleParts): Egress {
  return {
    sets: setsOf(parts),
    chains: [{ name: CHAIN, base: null, rules: parts.only ? onlyRules(parts.only) : rules(parts) }],
    chain: CHAIN,
    policy: parts.only ? "accept" : "drop",
    internal: parts.only ? [] : internal,
    spared: parts.tunnel?.index ?? null,
  };
}

/** What links to containers carry besides. */
const internal: readonly Rule[] = [
  rule("passed the rules of the IP stack", [mark(PASSED_MARK)], accept),
  rule("a reset of a bridged packet", [mark(ANSWER_MARK), protocol("tcp")], accept),
];

function rules(parts: RuleParts): Rule[] {
  return [
    ...frames,
    // The local network, where it is allowed, has all of that in it.
    ...(parts.lan ? [] : linkScopeOut(ETHERNET)),
    ...upstreams,
    ...(parts.beside ? beside : []),
    ...(parts.lan
      ? [
          ...otherResolvers.map((each) => ({ ...each, verdict: drop })),
          ...(parts.beside ? [] : [drops(TUNNEL_ADDRESSES6)]),
          ...families.map((each) => rule(`local network, IPv${each}`, lan("destination", each), accept)),
        ]
      : []),
  ];
}

function drops(own: string): Rule {
  return rule(`${own} is only in the tunnel`, [family(familyOf(own)), network("destination", own)], drop);
}

/** A question for a name that is led to the resolver where that is not there goes to nobody else. */
const beside: readonly Rule[] = [
  ...[FAKE_ADDRESSES4, TUNNEL_ADDRESSES6].map(drops),
  rule("beside the tunnel", [mark(DIRECT_MARK)], accept),
];

const upstreams: readonly Rule[] = families.map((each) =>
  rule(`to an upstream, IPv${each}`, [mark(MARK), ...upstream("destination", each)], accept),
);

/** All but the chosen may leave. A control group is not known here: its packets are told apart in the IP stack. */
function onlyRules(only: SplitRules): Rule[] {
  return [
    ...upstreams,
    ...only.uids.map((uid) => rule(`chosen by user ${uid}`, [{ is: "user", uid }], drop)),
    ...chosenDestinations(only).map(({ why, matches }) => rule(why, matches, drop)),
  ];
}
