import { egress } from "./egress-rules.ts";
import { inetTable } from "./inet-rules.ts";
import { type Policy, TABLE } from "./policy.ts";
import { partsOf, type RuleParts } from "./rule-parts.ts";
import type { RuleSet, Setting } from "./rule-set.ts";

/**
 * `src_valid_mark`: the check of the source address knows the mark, or answers of an upstream are dropped.
 * `arp_ignore` 2: no link answers for the tunnel's address. `fwmark_reflect`: what the kernel itself answers has the
 * mark of what it answers, and takes its way.
 */
const byMark: readonly Setting[] = [
  { name: "net/ipv4/conf/all/src_valid_mark", value: "1" },
  { name: "net/ipv4/fwmark_reflect", value: "1" },
  { name: "net/ipv6/fwmark_reflect", value: "1" },
];
const silentArp: Setting = { name: "net/ipv4/conf/all/arp_ignore", value: "2" };
/** Loose: what containers send comes from where the tunnel's routes do not lead. */
const looseSources: Setting = { name: "net/ipv4/conf/all/rp_filter", value: "2" };

/** Where only some traffic goes through the tunnel, no mark is restored: all else goes as ever. */
function settingsOf({ tunnel, only }: RuleParts): Setting[] {
  return [...(only ? [] : byMark), silentArp, ...(tunnel ? [looseSources] : [])];
}

/** Compiles a policy. Pure: equal policies give equal rules. */
export function rulesOf(policy: Policy): RuleSet {
  const parts = partsOf(policy);
  return {
    table: TABLE,
    inet: inetTable(parts),
    egress: egress(parts),
    settings: settingsOf(parts),
  };
}
