import { RANK } from "@atlantic/shared/blocking/list-rule.ts";
import type {
  PolicyCategory,
  PolicyName,
  RegionalPolicy,
} from "@atlantic/shared/blocking/policy/policy-file.ts";
import { type SetSource, wholeName } from "../filter/set-source.ts";

/** What a policy that was chosen and found good asks of the filter. */
export class PolicyInForce {
  readonly policy: RegionalPolicy;
  /** How old the audience is, as the person or the operator said; null: not said, and then no rule of age holds. */
  readonly age: number | null;

  constructor(policy: RegionalPolicy, age: number | null) {
    this.policy = policy;
    this.age = age;
  }

  /** Whether a category must be filtered or must not; undefined when the person decides. */
  wants(category: PolicyCategory): boolean | undefined {
    const { must, mustNot } = this.policy.categories;
    if (must.includes(category)) return true;
    return mustNot.includes(category) ? false : undefined;
  }

  mustBlock(category: PolicyCategory): boolean {
    return this.policy.categories.must.includes(category);
  }

  /** Whether the names of its decisions are to be logged. */
  get namesAreKept(): boolean {
    return this.policy.logging.decisions === "names";
  }

  /** The names that the policy itself speaks of, each kind a source of its own. */
  sources(): SetSource[] {
    const { id, names, ages } = this.policy;
    const { age } = this;
    const forAge = age === null ? [] : ages.filter(({ under }) => age < under).flatMap(({ block }) => block);
    const oneByOne = this.namesAreKept;
    return [
      source(`${id}: names that must be answered`, names.allow, true, oneByOne),
      source(`${id}: names that must be blocked`, names.block, false, oneByOne),
      source(`${id}: names that must be blocked for this age`, forAge, false, oneByOne),
    ].filter(({ rules }) => "lines" in rules && rules.lines.length > 0);
  }

  /** Why the policy speaks of a name; undefined when it does not. */
  because(name: string): string | undefined {
    const { names, ages } = this.policy;
    const all = [...names.allow, ...names.block, ...ages.flatMap(({ block }) => block)];
    const entry = all.find((known) => name === known.name || name.endsWith(`.${known.name}`));
    return entry?.because;
  }

  /** What it decides, a sentence each. */
  explain(): string[] {
    const { title, region, version, categories, names, ages, logging, expires } = this.policy;
    const { age } = this;
    const forAge = age === null ? [] : ages.filter(({ under }) => age < under);
    return [
      `${title} (${region}), version ${version}, until ${expires.slice(0, 10)}.`,
      ...categories.must.map((one) => `The category ${one} is filtered, whatever you say.`),
      ...categories.mustNot.map((one) => `The category ${one} is not filtered by our lists.`),
      `${names.block.length} names must be blocked, ${names.allow.length} must be answered.`,
      ...(ages.length > 0 && age === null
        ? ["It has rules by age; no age was said, so none of them holds."]
        : []),
      ...forAge.map(
        ({ under, block }) => `For an audience of ${age}: ${block.length} names for those under ${under}.`,
      ),
      LOGGING[logging.decisions](logging.keepDays),
    ];
  }
}

const LOGGING: Readonly<Record<RegionalPolicy["logging"]["decisions"], (days: number) => string>> = {
  nothing: () => "Of its decisions nothing is kept.",
  counts: (days) => `Of its decisions it is kept how many there were, for ${days} days.`,
  names: (days) => `Of its decisions the names are kept, for ${days} days.`,
};

function source(id: string, entries: readonly PolicyName[], allow: boolean, oneByOne: boolean): SetSource {
  const rank = allow ? RANK.policyAllow : RANK.policyBlock;
  return {
    by: "policy",
    id,
    title: id,
    rank,
    oneByOne,
    rules: { lines: entries.map(({ name }) => wholeName(name, allow)) },
  };
}
