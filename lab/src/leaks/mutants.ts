import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import type { Rule, RuleSet } from "@atlantic/companion/src/firewall/rule-set.ts";
import { rulesOf } from "@atlantic/companion/src/firewall/rules-of.ts";

/** The rules of a policy with one of them deleted. */
export interface Mutant {
  /** The chain and the words of the rule that is gone. */
  readonly gone: string;
  /** Applies to the rules of the policy it was made for. */
  change(rules: RuleSet): RuleSet;
}

/** Every way to delete one rule, or one kernel setting, of a policy. */
export function mutantsOf(policy: Policy): Mutant[] {
  const rules = rulesOf(policy);
  return [
    ...inChains("inet", rules),
    ...inChains("egress", rules),
    ...rules.egress.internal.map((rule) => mutant("egress to containers", rule, withoutInternal)),
    ...rules.settings.map(
      ({ name }): Mutant => ({
        gone: `setting ${name}`,
        change: (all) => ({ ...all, settings: all.settings.filter((each) => each.name !== name) }),
      }),
    ),
  ];
}

function inChains(where: "inet" | "egress", rules: RuleSet): Mutant[] {
  return rules[where].chains.flatMap((chain) =>
    chain.rules.map((rule) =>
      mutant(`${where} ${chain.name}`, rule, (all, why) => {
        const chains = all[where].chains.map((each) =>
          each.name === chain.name ? { ...each, rules: without(each.rules, why) } : each,
        );
        return where === "inet"
          ? { ...all, inet: { ...all.inet, chains } }
          : { ...all, egress: { ...all.egress, chains } };
      }),
    ),
  );
}

function mutant(where: string, { why }: Rule, remove: (all: RuleSet, why: string) => RuleSet): Mutant {
  // A group's name is the lab's.
  const gone = `${where}: ${why}`.replace(/ atl-\S+$/, "");
  return { gone, change: (all) => remove(all, why) };
}

function withoutInternal(all: RuleSet, why: string): RuleSet {
  return { ...all, egress: { ...all.egress, internal: without(all.egress.internal, why) } };
}

/** Reasons are unique in their chain. */
function without(rules: readonly Rule[], why: string): Rule[] {
  return rules.filter((rule) => rule.why !== why);
}
