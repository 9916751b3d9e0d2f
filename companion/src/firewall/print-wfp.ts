import { createHash } from "node:crypto";
import { type AddressTest, type FlatRule, flatRules } from "./flat-rules.ts";
import { type Family, LOOPBACK_INDEX, type Protocol, type RuleSet } from "./rule-set.ts";

/** One object of the Windows filtering platform, in the words of its API (FWPM_FILTER0). */
export interface WfpFilter {
  /** Fixed for each rule: filters of an earlier policy are found and replaced by it. */
  readonly filterKey: string;
  readonly name: string;
  readonly layer: WfpLayer;
  /** The highest that matches decides, in the one sublayer that all are in. */
  readonly weight: number;
  readonly action: "FWP_ACTION_PERMIT" | "FWP_ACTION_BLOCK";
  /** All must hold; of those for one field, one. */
  readonly conditions: readonly WfpCondition[];
}

export type WfpLayer = `FWPM_LAYER_ALE_AUTH_${"CONNECT" | "RECV_ACCEPT"}_V${Family}`;

export type WfpCondition =
  | {
      readonly field: "FLAGS";
      readonly match: "FLAGS_ALL_SET";
      readonly value: "FWP_CONDITION_FLAG_IS_LOOPBACK";
    }
  | { readonly field: "INTERFACE_INDEX"; readonly match: "EQUAL"; readonly value: number }
  | { readonly field: "ALE_APP_ID"; readonly match: "EQUAL"; readonly value: string }
  | { readonly field: "IP_PROTOCOL"; readonly match: "EQUAL"; readonly value: number }
  | {
      readonly field: "IP_LOCAL_ADDRESS" | "IP_REMOTE_ADDRESS";
      readonly match: "EQUAL" | "NOT_EQUAL";
      readonly value: string;
    }
  /** Of ICMP the local port is its type, and the remote port its code. */
  | { readonly field: "IP_LOCAL_PORT" | "IP_REMOTE_PORT"; readonly match: "EQUAL"; readonly value: number };

/** To be replaced in one transaction of a session that is not dynamic: filters stay when the process ends. */
export interface WfpPolicy {
  readonly provider: string;
  readonly subLayer: { readonly key: string; readonly weight: 65535 };
  readonly filters: readonly WfpFilter[];
}

/**
 * The rules as objects of the Windows filtering platform. Whoever is blocked hears of it at once.
 * Compiled and simulated, not run on a real host.
 *
 * @param program full path of the daemon, which tells its packets from others
 * @throws FirewallError where it cannot keep the policy
 */
export function printWfp(rules: RuleSet, program: string): WfpPolicy {
  const flat = flatRules(rules);
  const filters = flat.flatMap((rule, place) =>
    familiesOf(rule).map((family) => filterOf(rule, family, flat.length - place, program)),
  );
  return {
    provider: key("provider"),
    subLayer: { key: key("sublayer"), weight: 65535 },
    filters: [...filters, ...blockAll()],
  };
}

function familiesOf({ family }: FlatRule): readonly Family[] {
  return family === null ? [4, 6] : [family];
}

function filterOf(rule: FlatRule, family: Family, weight: number, program: string): WfpFilter {
  const layer = layerOf(rule.way, family);
  const permits = rule.verdict === "accept";
  return {
    filterKey: key(`${layer} ${weight} ${rule.why}`),
    name: rule.why,
    layer,
    weight,
    action: permits ? "FWP_ACTION_PERMIT" : "FWP_ACTION_BLOCK",
    conditions: conditionsOf(rule, program),
  };
}

function layerOf(way: "out" | "in", family: Family): WfpLayer {
  return `FWPM_LAYER_ALE_AUTH_${way === "out" ? "CONNECT" : "RECV_ACCEPT"}_V${family}`;
}

function conditionsOf(rule: FlatRule, program: string): WfpCondition[] {
  const { way, link, ours, protocol, icmp } = rule;
  const [local, remote] = way === "out" ? [rule.source, rule.destination] : [rule.destination, rule.source];
  const [localPort, remotePort] =
    way === "out" ? [rule.sourcePort, rule.destinationPort] : [rule.destinationPort, rule.sourcePort];
  return [
    ...(link === null ? [] : [linkCondition(link)]),
    ...(ours ? [{ field: "ALE_APP_ID", match: "EQUAL", value: program } as const] : []),
    ...(protocol === null
      ? []
      : [{ field: "IP_PROTOCOL", match: "EQUAL", value: NUMBERS[protocol] } as const]),
    ...addresses("IP_LOCAL_ADDRESS", local),
    ...addresses("IP_REMOTE_ADDRESS", remote),
    ...port("IP_LOCAL_PORT", icmp?.type ?? localPort),
    ...port("IP_REMOTE_PORT", icmp?.code ?? remotePort),
  ];
}

const NUMBERS: Readonly<Record<Protocol, number>> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 };

function linkCondition(index: number): WfpCondition {
  // Loopback has no index that is the same everywhere.
  return index === LOOPBACK_INDEX
    ? { field: "FLAGS", match: "FLAGS_ALL_SET", value: "FWP_CONDITION_FLAG_IS_LOOPBACK" }
    : { field: "INTERFACE_INDEX", match: "EQUAL", value: index };
}

function addresses(
  field: "IP_LOCAL_ADDRESS" | "IP_REMOTE_ADDRESS",
  test: AddressTest | null,
): WfpCondition[] {
  return (test?.networks ?? []).map((value) => ({ field, match: test?.not ? "NOT_EQUAL" : "EQUAL", value }));
}

function port(field: "IP_LOCAL_PORT" | "IP_REMOTE_PORT", value: number | null): WfpCondition[] {
  return value === null ? [] : [{ field, match: "EQUAL", value }];
}

function blockAll(): WfpFilter[] {
  return (["out", "in"] as const).flatMap((way) =>
    ([4, 6] as const).map((family) => {
      const layer = layerOf(way, family);
      return {
        filterKey: key(`${layer} all`),
        name: "all else",
        layer,
        weight: 0,
        action: "FWP_ACTION_BLOCK",
        conditions: [],
      } as const;
    }),
  );
}

/** A GUID that is the same for the same words. */
function key(words: string): string {
  const digits = createHash("sha256").update(`atlantic ${words}`).digest("hex");
  return [8, 4, 4, 4, 12]
    .map((length, place, all) => {
      const start = all.slice(0, place).reduce((sum, each) => sum + each, 0);
      return digits.slice(start, start + length);
    })
    .join("-");
}
