import { MARK, type Policy } from "@atlantic/companion/src/firewall/policy.ts";
import type { Ability, AbilityPlace } from "./abilities.ts";
import { expectedUnder, type SentCase } from "./account.ts";
import { compileShape } from "./compile.ts";
import { flowAbilities } from "./flow-trials.ts";
import { goneAbilities } from "./gone-trial.ts";
import { linkAbilities } from "./link-trials.ts";
import { physicalLink } from "./machine.ts";
import { describeShape, type Shape } from "./matrix.ts";
import { upstreamA } from "./phases.ts";
import { dropFlows, nextTag, openFlows } from "./sending.ts";
import { splitAbilities } from "./split-trials.ts";
import { type StageName, stages, UNNAMED } from "./stages.ts";
import { tunnelAbilities } from "./tunnel-trials.ts";

/** What a machine under a policy was seen to do, by name: what leaves it, what works, what it refuses. */
export type Observation = ReadonlySet<string>;

export interface ObservePlace extends AbilityPlace {
  readonly shapes: readonly Shape[];
  open(): Promise<void>;
  /** Puts the policy on, or what is made of it. */
  apply(): Promise<void>;
}

const abilities: readonly Ability[] = [
  ...linkAbilities,
  ...flowAbilities,
  ...tunnelAbilities,
  ...splitAbilities,
  ...goneAbilities,
];

/** Puts a policy on, from open and with flows of before where these are needed, and observes one part. */
export async function observe(place: ObservePlace, policy: Policy, name: StageName): Promise<Observation> {
  const { probers, shapes } = place;
  const stage = stages[name];
  await place.open();
  if (!stage.withFlows) {
    await place.apply();
    return new Set(await stage.observe(place, policy, []));
  }
  const where = { link: physicalLink, second: false, upstream: upstreamA, mark: MARK };
  const cases = shapes.map((shape): SentCase => ({ shape, sent: compileShape(shape, nextTag(), where) }));
  await openFlows(probers, cases);
  try {
    await place.apply();
    return new Set(await stage.observe(place, policy, cases));
  } finally {
    await dropFlows(probers);
  }
}

/** What of an observation is not as the policy wants it. */
export interface Deviations {
  /** Must not be, and was seen. */
  readonly wrong: readonly string[];
  /** Must be, and was not. */
  readonly missing: readonly string[];
}

/** Holds an observation of all parts against what is expected of a policy. */
export function deviations(observed: Observation, policy: Policy, shapes: readonly Shape[]): Deviations {
  const must = [
    ...abilities.map(({ name, expected }) => ({ name, expected: expected(policy) })),
    ...shapes.map((shape) => ({
      name: describeShape(shape),
      expected: expectedUnder(shape, [policy], upstreamA) === "seen",
    })),
    { name: UNNAMED, expected: false },
  ];
  return {
    wrong: must.filter(({ name, expected }) => !expected && observed.has(name)).map(({ name }) => name),
    missing: must.filter(({ name, expected }) => expected && !observed.has(name)).map(({ name }) => name),
  };
}
