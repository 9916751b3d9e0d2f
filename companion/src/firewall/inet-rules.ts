import {
  accept,
  drop,
  families,
  family,
  familyOf,
  flowMark,
  goOn,
  hostNetwork,
  into,
  jump,
  kind,
  mark,
  network,
  notPort,
  out,
  port,
  protocol,
  refuse,
  rule,
  subChain,
} from "./build-rule.ts";
import {
  answersToContainers,
  answersTurned,
  forwardedTurned,
  INTERNAL_KINDS,
  ownContainerFlows,
  refusalsToContainers,
} from "./container-rules.ts";
import { leadNames } from "./lead-names.ts";
import { fromAnywhere, linkScopeIn, linkScopeOut, loopbackIn, loopbackOut } from "./link-scope.ts";
import { chosen, chosenDestinations, groupSets, lan, perhapsChosen, setsOf, upstream } from "./named-sets.ts";
import {
  ANSWER_MARK,
  DIRECT_MARK,
  FAKE_ADDRESSES4,
  FAKE_ADDRESSES6,
  MARK,
  PASSED_MARK,
  type SplitRules,
  TUNNEL_ADDRESS4,
  TUNNEL_ADDRESS6,
  TUNNEL_ADDRESSES6,
  TUNNEL_MARK,
  type TunnelLink,
} from "./policy.ts";
import type { RuleParts } from "./rule-parts.ts";
import { type Base, type Chain, LOOPBACK_INDEX, type Match, type Rule, type Table } from "./rule-set.ts";
import {
  ONLY_THROUGH,
  onlyThrough,
  otherResolvers,
  refusal,
  THROUGH,
  throughTunnel,
} from "./through-tunnel.ts";

const established: Match = { is: "flow-state", states: ["established", "related"] };

/** The hooks of the IP stack: what this machine sends, takes and forwards. */
export function inetTable(parts: RuleParts): Table {
  const { tunnel, only } = parts;
  return {
    sets: [...setsOf(parts), ...(only ? groupSets(only) : [])],
    chains: [
      ...(tunnel && !only ? [throughTunnel(tunnel, parts.lan), resolverFor(tunnel)] : []),
      ...(only ? [onlyThrough] : []),
      base(
        "prerouting",
        { type: "filter", hook: "prerouting", priority: -199, policy: "accept" },
        before(parts),
      ),
      ...(tunnel && !only ? [leadNames(tunnel)] : []),
      ...(tunnel ? redirects(tunnel, parts) : []),
      ...routing(parts),
      base("output", { type: "filter", hook: "output", priority: 0, policy: closed(parts) }, output(parts)),
      base("input", { type: "filter", hook: "input", priority: 0, policy: closed(parts) }, input(parts)),
      base(
        "forward",
        { type: "filter", hook: "forward", priority: 0, policy: closed(parts) },
        forward(parts),
      ),
      ...masquerades(parts),
      base("passed", { type: "filter", hook: "postrouting", priority: 300, policy: "accept" }, passed(parts)),
    ],
  };
}

function base(name: string, where: Base, rules: readonly Rule[]): Chain {
  return { name, base: where, rules };
}

function closed({ only }: RuleParts): "accept" | "drop" {
  return only ? "accept" : "drop";
}

/** Marks what comes back as what went out was marked, so that it takes the same way (src_valid_mark). */
function before(parts: RuleParts): Rule[] {
  const back = (value: number, what: string) =>
    rule(`answers ${what}`, [flowMark(value)], goOn, [{ do: "mark", mark: value }]);
  const choose = (value: number) =>
    chosenDestinations(parts.beside ?? parts.only ?? noSplit).map(({ why, matches }) =>
      rule(why, matches, goOn, [{ do: "mark", mark: value }]),
    );
  return [
    ...(parts.only ? [] : [back(MARK, "of an upstream")]),
    ...(parts.tunnel && !parts.only ? [forwardedTurned] : []),
    ...(parts.beside ? [back(DIRECT_MARK, "beside the tunnel"), ...choose(DIRECT_MARK)] : []),
    ...(parts.only ? choose(TUNNEL_MARK) : []),
  ];
}

const noSplit = { mode: "all-but", cgroups: [], uids: [], destinations: [] } as const;

/** TCP that would leave by the device goes to the listener instead. Questions for names are not for it. */
function redirects(tunnel: TunnelLink, { beside, only }: RuleParts): Chain[] {
  const tcp = [protocol("tcp"), notPort("destination", 53), notPort("destination", 853)];
  const toListener = { to: "redirect", port: tunnel.redirectPort } as const;
  return [
    base("redirect_own", { type: "nat", hook: "output", priority: -100, policy: "accept" }, [
      // What is turned by its mark is still said to leave by the link that it was turned from.
      ...(beside ? [rule("beside the tunnel", [mark(DIRECT_MARK)], { to: "return" })] : []),
      rule("TCP of this machine", [only ? mark(TUNNEL_MARK) : out(tunnel.index), ...tcp], toListener),
    ]),
    base(
      "redirect_forwarded",
      { type: "nat", hook: "prerouting", priority: -100, policy: "accept" },
      INTERNAL_KINDS.map((name) =>
        rule(
          `TCP from behind a ${name}`,
          [kind(name), ...tcp, { is: "routed-to", index: tunnel.index }],
          toListener,
          [{ do: "flow-mark", mark: ANSWER_MARK }],
        ),
      ),
    ),
  ];
}

/** Marks what is chosen before it is routed. */
function routing(parts: RuleParts): Chain[] {
  const { tunnel, beside, only } = parts;
  if (!tunnel) return [];
  const rules = only ? onlyRouting(only) : [...(beside ? besideRouting(beside) : []), answersTurned];
  return [base("routing", { type: "route", hook: "output", priority: -150, policy: "accept" }, rules)];
}

function besideRouting(beside: SplitRules): Rule[] {
  const turn = { do: "mark", mark: DIRECT_MARK } as const;
  return [
    ...[FAKE_ADDRESSES4, FAKE_ADDRESSES6].map((fake) =>
      rule(`${fake} is only in the tunnel`, to(fake), { to: "return" }),
    ),
    ...chosen(beside).map(({ why, matches }) => rule(why, matches, goOn, [turn])),
  ];
}

function onlyRouting(only: SplitRules): Rule[] {
  return [
    { ...loopbackOut, verdict: { to: "return" } },
    ...families.map((each) =>
      rule(`to an upstream, IPv${each}`, [mark(MARK), ...upstream("destination", each)], { to: "return" }),
    ),
    ...perhapsChosen(only).map(({ why, matches }) =>
      rule(why, matches, goOn, [{ do: "mark", mark: TUNNEL_MARK }]),
    ),
  ];
}

function output(parts: RuleParts): Rule[] {
  if (parts.only) return [rule("chosen", [mark(TUNNEL_MARK)], jump(ONLY_THROUGH))];
  return [
    loopbackOut,
    // The local network, where it is allowed, has all of that in it.
    ...(parts.lan ? [] : linkScopeOut(0)),
    ...toUpstreams(),
    ...(parts.beside ? [besideTunnel] : []),
    refusalsToContainers,
    // Before the tunnel: they were turned to their link after this chain was told where they would go.
    ...(parts.tunnel ? [answersToContainers, rule("tunnel", [], jump(THROUGH))] : []),
    ...toLan(parts),
    ...refusal,
  ];
}

const besideTunnel = rule("beside the tunnel", [mark(DIRECT_MARK)], accept, [
  { do: "flow-mark", mark: DIRECT_MARK },
]);
const besideTunnelBack = rule("answers beside the tunnel", [flowMark(DIRECT_MARK), established], accept);

function toUpstreams(): Rule[] {
  return families.map((each) =>
    rule(`to an upstream, IPv${each}`, [mark(MARK), ...upstream("destination", each)], accept, [
      { do: "flow-mark", mark: MARK },
    ]),
  );
}

function toLan({ lan: allowed, tunnel }: RuleParts): Rule[] {
  if (!allowed) return [];
  return [
    // The chain for the tunnel has refused them already where there is one.
    ...(tunnel ? [] : otherResolvers),
    rule(`${TUNNEL_ADDRESSES6} is only in the tunnel`, to(TUNNEL_ADDRESSES6), refuse),
    ...families.map((each) => rule(`local network, IPv${each}`, lan("destination", each), accept)),
  ];
}

function to(destination: string): Match[] {
  return [family(familyOf(destination)), network("destination", destination)];
}

function input(parts: RuleParts): Rule[] {
  const { tunnel, only } = parts;
  const ofTunnel = tunnel
    ? [
        rule("out of the tunnel", [into(tunnel.index)], accept),
        ...(only
          ? []
          : INTERNAL_KINDS.map((name) => rule(`names, from behind a ${name}`, [kind(name)], jump(RESOLVER)))),
      ]
    : [];
  if (only) return [loopbackIn, ...ofTunnel, ...tunnelAddresses(parts)];
  return [
    loopbackIn,
    ...(parts.lan ? fromAnywhere : linkScopeIn),
    ...fromUpstreams(),
    ...(parts.beside ? [besideTunnelBack] : []),
    ...ofTunnel,
    ...(tunnel ? [rule("redirected from containers", [flowMark(ANSWER_MARK)], accept)] : []),
    ...(parts.lan
      ? [
          ...tunnelAddresses(parts),
          ...families.map((each) => rule(`local network, IPv${each}`, lan("source", each), accept)),
        ]
      : []),
  ];
}

/** The tunnel's addresses answer on no other link (CVE-2019-14899). Where all else is dropped this needs no rule. */
function tunnelAddresses({ tunnel }: RuleParts): Rule[] {
  const { address4, address6 } = tunnel ?? { address4: TUNNEL_ADDRESS4, address6: TUNNEL_ADDRESS6 };
  return [address4, address6].map((address) =>
    rule(`${address} from another link`, to(hostNetwork(address)), drop),
  );
}

function fromUpstreams(): Rule[] {
  return [
    ...families.map((each) =>
      rule(
        `answers of an upstream, IPv${each}`,
        [{ is: "flow-state", states: ["established"] }, ...upstream("source", each)],
        accept,
      ),
    ),
    // Without it a smaller path MTU stalls every transfer (RFC 1191, RFC 8201).
    ...(["icmp", "icmpv6"] as const).map((each) =>
      rule(
        `${each} errors about an upstream's flow`,
        [{ is: "flow-state", states: ["related"] }, flowMark(MARK), protocol(each)],
        accept,
      ),
    ),
  ];
}

const RESOLVER = "ask_resolver";

/** Containers may ask the tunnel's resolver, which listens on an address of this machine. */
function resolverFor({ dns4, dns6 }: TunnelLink): Chain {
  return subChain(
    RESOLVER,
    [dns4, dns6].flatMap((address) =>
      (["udp", "tcp"] as const).map((each) =>
        rule(
          `${each} to ${address}`,
          [...to(hostNetwork(address)), protocol(each), port("destination", 53)],
          accept,
          [{ do: "flow-mark", mark: ANSWER_MARK }],
        ),
      ),
    ),
  );
}

/** Containers, virtual machines, and whoever else this machine forwards for. */
function forward(parts: RuleParts): Rule[] {
  const { tunnel } = parts;
  if (parts.only) return [rule("chosen by destination", [mark(TUNNEL_MARK)], jump(ONLY_THROUGH))];
  return [
    ...(parts.beside ? [besideTunnel] : []),
    ...ownContainerFlows,
    ...(tunnel
      ? [
          rule("tunnel", [], jump(THROUGH)),
          rule("answers out of the tunnel", [into(tunnel.index), established], accept),
        ]
      : []),
    ...toLan(parts),
    ...refusal,
  ];
}

/** Only there with a split tunnel. */
export const SPLIT_CHAIN = "source";

/** A packet that is turned after its source was chosen has the address of the wrong link. */
function masquerades({ tunnel, beside, only }: RuleParts): Chain[] {
  if (!tunnel || !(beside ?? only)) return [];
  const rules = beside
    ? [tunnel.address4, tunnel.address6].map((address) =>
        rule(
          `beside the tunnel, not from ${address}`,
          [mark(DIRECT_MARK), family(familyOf(address)), network("source", hostNetwork(address))],
          { to: "masquerade" },
        ),
      )
    : [rule("through the tunnel", [mark(TUNNEL_MARK), out(tunnel.index)], { to: "masquerade" })];
  return [base(SPLIT_CHAIN, { type: "nat", hook: "postrouting", priority: 100, policy: "accept" }, rules)];
}

/** Tells what the stack let out from frames that somebody wrote past it, for links to containers. */
function passed({ beside, only, tunnel }: RuleParts): Rule[] {
  // Here at last it is known where it leaves. All else may, so nothing needs to be told apart.
  if (only)
    return [
      rule("redirected", [out(LOOPBACK_INDEX)], accept),
      ...(tunnel ? [rule("into the tunnel", [out(tunnel.index)], accept)] : []),
      rule("chosen, and elsewhere", [mark(TUNNEL_MARK)], drop),
    ];
  return [
    rule("to an upstream", [mark(MARK)], { to: "return" }),
    ...(beside ? [rule("beside the tunnel", [mark(DIRECT_MARK)], { to: "return" })] : []),
    rule("passed", [], goOn, [{ do: "mark", mark: PASSED_MARK }]),
  ];
}
