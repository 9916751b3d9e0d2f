import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { shapes } from "./matrix.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { MutationPlace } from "./mutation-place.ts";
import { deviations, type Observation } from "./observe.ts";
import { type NamedPolicy, namedPolicies } from "./policies.ts";
import { type StageName, stageNames } from "./stages.ts";

/** What became of one rule that was deleted. */
export interface MutantResult {
  readonly policy: string;
  readonly gone: string;
  /** What was seen that was not before, and what was no longer; twice. None when nobody noticed. */
  readonly noticed: readonly string[];
}

export interface MutationReport {
  readonly mutants: number;
  readonly unnoticed: readonly string[];
  /** What is not as the policy wants it with all rules. */
  readonly baseline: readonly string[];
  /** What is seen with all rules at one time and not at another: it says nothing of a mutant. */
  readonly unsteady: readonly string[];
  /** Whether control groups could be tried. */
  readonly groups: boolean;
  readonly results: readonly MutantResult[];
  readonly seconds: number;
}

export interface MutationOptions {
  /** Takes every n-th mutant only. Default 1: all. */
  readonly every?: number;
  /** Machines that work beside one another. Most of the time each waits. */
  readonly machines?: number;
  /** Takes only those whose policy and rule have this in them. Default: all. */
  readonly only?: string;
  readonly onResult?: (result: MutantResult) => void;
}

/** Deletes each rule of each policy, one at a time, and looks whether anybody would notice. */
export async function runMutation(options: MutationOptions = {}): Promise<MutationReport> {
  const { every = 1, machines = 3, only = "", onResult } = options;
  const begun = performance.now();
  const places: MutationPlace[] = [];
  try {
    // One after the other: each removes first what dead labs left.
    for (let count = 0; count < machines; count++) places.push(await MutationPlace.build());
    const baselines = new Baselines();
    const results: MutantResult[] = [];
    const [first] = places;
    if (!first) throw new Error("Mutation needs a machine.");
    const tasks = namedPolicies
      .flatMap((named) =>
        mutantsOf(first.policy(named)).map(({ gone }, index) => ({
          named,
          index,
          text: `${named.name}: ${gone}`,
        })),
      )
      .filter(({ text }) => text.includes(only))
      .filter((_, index) => index % every === 0);
    await Promise.all(
      places.map(async (place) => {
        for (let task = tasks.shift(); task; task = tasks.shift()) {
          const { named, index } = task;
          const policy = place.policy(named);
          // Its own: rules name what the machine has.
          const mutant = mutantsOf(policy)[index];
          if (!mutant) throw new Error(`The machines are not alike: "${named.name}" has no rule ${index}.`);
          const baseline = await baselines.of(place, named);
          const noticed = await notice(place, policy, mutant, baseline);
          const result = { policy: named.name, gone: mutant.gone, noticed };
          results.push(result);
          onResult?.(result);
        }
      }),
    );
    const unnoticed = results.filter(({ noticed }) => noticed.length === 0);
    return {
      mutants: results.length,
      unnoticed: unnoticed.map(({ policy, gone }) => `${policy}: ${gone}`),
      ...baselines.findings(),
      groups: first.hasGroup,
      results,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    for (const place of places) await place.close();
  }
}

/** What is seen in one part with all rules: always, and at times. */
interface Steady {
  readonly always: Observation;
  readonly sometimes: Observation;
}

interface Baseline {
  readonly policy: Policy;
  readonly parts: Readonly<Record<StageName, Steady>>;
}

/** Looked at this many times. */
const LOOKS = 3;

/** Each policy is looked at by the first place that needs it; the machines are all alike. */
class Baselines {
  readonly #known = new Map<NamedPolicy, Promise<Baseline>>();
  readonly #done = new Map<NamedPolicy, Baseline>();

  of(place: MutationPlace, named: NamedPolicy): Promise<Baseline> {
    const known = this.#known.get(named) ?? this.#look(place, named);
    this.#known.set(named, known);
    return known;
  }

  findings(): Pick<MutationReport, "baseline" | "unsteady"> {
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

/** Looks at the parts near the rule first, and at the others where these tell nothing; twice at what tells. */
async function notice(
  place: MutationPlace,
  policy: Policy,
  { gone, change }: Mutant,
  { parts }: Baseline,
): Promise<string[]> {
  for (const stage of stagesNear(gone)) {
    const look = async () => differences(parts[stage], await place.observe(policy, stage, change));
    const once = await look();
    if (once.length === 0) continue;
    const again = new Set(await look());
    const noticed = once.filter((each) => again.has(each));
    if (noticed.length > 0) return noticed;
  }
  return [];
}

/** Where each chain's work is seen first. */
const near: readonly (readonly [RegExp, readonly StageName[]])[] = [
  [/^inet (input|passed)/, ["link", "tunnel"]],
  [/^inet (forward|output)/, ["flow", "leaving"]],
  [/^inet (routing|source|only_through|prerouting)/, ["split", "gone"]],
  [/^inet /, ["tunnel", "split"]],
  [/^egress/, ["link", "leaving"]],
  [/^setting/, ["gone", "link"]],
];

function stagesNear(gone: string): StageName[] {
  const first = near.find(([pattern]) => pattern.test(gone))?.[1] ?? [];
  return [...first, ...stageNames.filter((each) => !first.includes(each))];
}

function differences({ always, sometimes }: Steady, after: Observation): string[] {
  return [
    ...[...after].filter((each) => !always.has(each) && !sometimes.has(each)).map((each) => `now: ${each}`),
    ...[...always].filter((each) => !after.has(each)).map((each) => `no longer: ${each}`),
  ];
}
