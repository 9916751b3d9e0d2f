import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { type Baseline, type BaselineFindings, Baselines, type Steady } from "./baselines.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { MutationPlace } from "./mutation-place.ts";
import type { Observation } from "./observe.ts";
import { namedPolicies } from "./policies.ts";
import { type StageName, stageNames } from "./stages.ts";

/** What became of one rule that was deleted. */
export interface MutantResult {
  readonly policy: string;
  readonly gone: string;
  /** What was seen that was not before, and what was no longer; twice. None when nobody noticed. */
  readonly noticed: readonly string[];
}

export interface MutationReport extends BaselineFindings {
  readonly mutants: number;
  readonly unnoticed: readonly string[];
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
