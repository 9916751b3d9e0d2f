import { BlockList } from "node:net";
import { families, family, familyOf } from "./build-rule.ts";
import type { Endpoint, SplitRules } from "./policy.ts";
import type { RuleParts } from "./rule-parts.ts";
import type { Family, Match, NamedSet, Side } from "./rule-set.ts";

/** What counts as the local network, IPv4: private, link-local, and multicast that no router passes on. */
const LAN4 = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "224.0.0.0/24",
  "239.0.0.0/8",
  "255.255.255.255/32",
];
/** The same, IPv6: link-local, unique local, and multicast up to the site. */
const LAN6 = ["fe80::/10", "fc00::/7", "ff01::/16", "ff02::/16", "ff03::/16", "ff04::/16", "ff05::/16"];

export function setsOf({ upstreams, lan, beside, only }: RuleParts): NamedSet[] {
  const split = (beside ?? only)?.destinations ?? [];
  return families.flatMap((each) => [
    upstreamSet(upstreams, each),
    ...(lan ? [networkSet(`lan${each}`, each, each === 4 ? LAN4 : LAN6)] : []),
    ...(split.some((one) => familyOf(one) === each) ? [networkSet(`split${each}`, each, split)] : []),
  ]);
}

/** The set that is swapped when upstreams change. */
export function upstreamSet(upstreams: readonly Endpoint[], of: Family): NamedSet {
  return {
    holds: "upstreams",
    name: `upstream${of}`,
    family: of,
    elements: upstreams.filter(({ address }) => familyOf(address) === of),
  };
}

function networkSet(name: string, of: Family, networks: readonly string[]): NamedSet {
  return { holds: "networks", name, family: of, elements: outermost(networks, of) };
}

/** Networks nest or are apart; a set takes only those that are apart. */
function outermost(networks: readonly string[], of: Family): string[] {
  const all = [...new Set(networks)].filter((each) => familyOf(each) === of);
  return all.filter((inner) => !all.some((outer) => outer !== inner && isWithin(inner, outer)));
}

function isWithin(inner: string, outer: string): boolean {
  const [address = "", innerBits = ""] = inner.split("/");
  const [network = "", outerBits = ""] = outer.split("/");
  if (Number(innerBits) < Number(outerBits)) return false;
  const type = familyOf(outer) === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, Number(outerBits), type);
  return list.check(address, type);
}

export function upstream(side: Side, of: Family): Match[] {
  return [family(of), { is: "in-upstreams", side, family: of, set: `upstream${of}` }];
}

export function lan(side: Side, of: Family): Match[] {
  return [family(of), { is: "in-networks", side, family: of, set: `lan${of}` }];
}

/** What is chosen by destination, one list of matches for each family that occurs. */
export function chosenDestinations({ destinations }: SplitRules): Choice[] {
  return families
    .filter((each) => destinations.some((one) => familyOf(one) === each))
    .map((each) => ({
      why: `chosen by destination, IPv${each}`,
      matches: [family(each), { is: "in-networks", side: "destination", family: each, set: `split${each}` }],
    }));
}

interface Choice {
  readonly why: string;
  readonly matches: Match[];
}

/** Everything that is chosen, each with its matches. */
export function chosen(split: SplitRules): Choice[] {
  return [
    ...split.cgroups.map((path) => ({
      why: `chosen by control group ${path}`.slice(0, 100),
      matches: [{ is: "control-group", path } as const],
    })),
    ...chosenOtherwise(split),
  ];
}

/** The same, and whatever may be a chosen control group: one that was made since the holder looked is none it knows. */
export function perhapsChosen(split: SplitRules): Choice[] {
  return [
    ...groupSets(split).map(({ name, path, itself }) => {
      const parts = path.split("/");
      const above = parts.slice(0, -1).join("/");
      const inAbove = above === "" ? [] : [{ is: "control-group", path: above } as const];
      const why = itself ? `new, and may be chosen: beside ${path}` : `chosen by control group ${path}`;
      return {
        why: why.slice(0, 100),
        matches: [...inAbove, { is: "group-not-in", level: parts.length, set: name } as const],
      };
    }),
    ...chosenOtherwise(split),
  ];
}

/** For every chosen control group, and for every one above it, what is known beside it. */
export function groupSets({ cgroups }: SplitRules): Extract<NamedSet, { readonly holds: "groups-beside" }>[] {
  const above = cgroups.flatMap((path) => {
    const parts = path.split("/");
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
  });
  const places = [
    ...[...new Set(above)].map((path) => ({ path, itself: true })),
    ...[...new Set(cgroups)].map((path) => ({ path, itself: false })),
  ];
  return places.map((place, index) => ({ holds: "groups-beside", name: `groups${index + 1}`, ...place }));
}

function chosenOtherwise(split: SplitRules): Choice[] {
  return [
    ...split.uids.map((uid) => ({ why: `chosen by user ${uid}`, matches: [{ is: "user", uid } as const] })),
    ...chosenDestinations(split),
  ];
}
