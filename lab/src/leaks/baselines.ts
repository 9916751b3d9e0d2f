import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { shapes } from "./matrix.ts";
import type { MutationPlace } from "./mutation-place.ts";
import { deviations, type Observation } from "./observe.ts";
import type { NamedPolicy } from "./policies.ts";
import { type StageName, stageNames } from "./stages.ts";

/** What is seen in one part with all rules: always, and at times. */
export interface Steady {
  readonly always: Observation;
  readonly sometimes: Observation;
}

/** What is seen under a policy with all its rules. */
export interface Baseline {
  readonly policy: Policy;
  readonly parts: Readonly<Record<StageName, Steady>>;
}

export interface BaselineFindings {
  /** What is not as the policy wants it with all rules. */
  readonly baseline: readonly string[];
  /** What is seen with all rules at one time and not at another: it says nothing of a mutant. */
  readonly unsteady: readonly string[];
}

/** Looked at this many times. */
const LOOKS = 3;

/** Each policy is looked at by the first place that needs it; the machines are all alike. */
export class Baselines {
  readonly #known = new Map<NamedPolicy, Promise<Baseline>>();
  readonly #done = new Map<NamedPolicy, Baseline>();

  /** What a mutant of this policy is held against. */
  of(place: MutationPlace, named: NamedPolicy): Promise<Baseline> {
    const known = this.#known.get(named) ?? this.#look(place, named);
    this.#known.set(named, known);
    return known;
  }

  /** What was not as the policies want it, of those that were looked at. */
  findings(): BaselineFindings {
    const all = [...this.#done].map(([{ name }, { policy, parts }]) => {
      const together = (which: keyof Steady) => stageNames.flatMap((stage) => [...parts[stage][which]]);
      return { name, policy, always: together("always"), sometimes: together("sometimes") };
    });
    return {
      baseline: all.flatMap(({ name, policy, always, sometimes }) => [
        ...deviations(new Set([...always, ...sometimes]), policy, shapes).wrong.map(
          (each) => `${name}: ${each}`,
        ),
        ...deviations(new Set(always), policy, shapes).missing.map((each) => `${name}: not ${each}`),
      ]),
      unsteady: all.flatMap(({ name, sometimes }) => sometimes.map((each) => `${name}: ${each}`)),
    };
  }

  async #look(place: MutationPlace, named: NamedPolicy): Promise<Baseline> {
    const policy = place.policy(named);
    const parts: [StageName, Steady][] = [];
    for (const stage of stageNames) {
      const looks: Observation[] = [];
      for (let look = 0; look < LOOKS; look++) looks.push(await place.observe(policy, stage));
      const seen = [...new Set(looks.flatMap((look) => [...look]))];
      const isSteady = (each: string) => looks.every((look) => look.has(each));
      const always = new Set(seen.filter(isSteady));
      parts.push([stage, { always, sometimes: new Set(seen.filter((each) => !isSteady(each))) }]);
    }
    const baseline = { policy, parts: Object.fromEntries(parts) as Record<StageName, Steady> };
    this.#done.set(named, baseline);
    return baseline;
  }
}
