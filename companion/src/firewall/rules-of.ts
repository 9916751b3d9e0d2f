import { egress } from "./egress-rules.ts";
import { inetTable } from "./inet-rules.ts";
import type { Policy } from "./policy.ts";
import { defaultNames, partsOf, type RuleNames } from "./rule-parts.ts";
import type { RuleSet, Setting } from "./rule-set.ts";

/**
 * `src_valid_mark`: the check of the source address knows the mark, or answers of an upstream are dropped.
 * `rp_filter` 2: loose, which no asymmetric route breaks. `arp_ignore` 2: no link answers for the tunnel's address.
 */
const settings: readonly Setting[] = [
  { name: "net/ipv4/conf/all/src_valid_mark", value: "1" },
  { name: "net/ipv4/conf/all/rp_filter", value: "2" },
  { name: "net/ipv4/conf/all/arp_ignore", value: "2" },
];

/** Compiles a policy. Pure: equal policies give equal rules. */
export function rulesOf(policy: Policy, names: RuleNames = defaultNames): RuleSet {
  const parts = partsOf(policy, names);
  return { table: names.table, inet: inetTable(parts), egress: egress(parts), settings };
}
