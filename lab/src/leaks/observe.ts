import { MARK, type Policy } from "@atlantic/companion/src/firewall/policy.ts";
import type { Ability, AbilityPlace } from "./abilities.ts";
import { account, expectedUnder, type SentCase } from "./account.ts";
import { compileShape } from "./compile.ts";
import { fateTrial, flowAbilities, flowTrial, tunnelAbilities, tunnelTrial } from "./flow-trials.ts";
import { linkAbilities, linkAbilitiesIn, sendLinkTrials } from "./link-trials.ts";
import { physicalLink } from "./machine.ts";
import { describeShape, type Shape } from "./matrix.ts";
import { upstreamA } from "./phases.ts";
import type { Guard } from "./printed-firewall.ts";
import type { Seen } from "./seen.ts";
import { dropFlows, nextTag, openFlows, sendAll } from "./sending.ts";

/** Everything that a machine under a policy was seen to do, by name: what leaves it, what works, what it refuses. */
export type Observation = ReadonlySet<string>;

export interface ObservePlace extends AbilityPlace {
  readonly firewall: Guard;
  readonly shapes: readonly Shape[];
}

const UNNAMED = "a frame that nothing names";

const abilities: readonly Ability[] = [...linkAbilities, ...flowAbilities, ...tunnelAbilities];

/** Puts a policy on, from open and with flows of before, and observes: first beside the tunnel's routes, then with them. */
export async function observe(place: ObservePlace, policy: Policy): Promise<Observation> {
  const { firewall, links, device, probers, shapes } = place;
  const where = { link: physicalLink, second: false, upstream: upstreamA, mark: MARK };
  await firewall.open();
  const cases = shapes.map((shape): SentCase => ({ shape, sent: compileShape(shape, nextTag(), where) }));
  await openFlows(probers, cases);
  try {
    await firewall.apply(policy);
    await links.segment();
    await sendAll(probers, cases);
    const link = await sendLinkTrials(place);
    const names = [...(await flowTrial(place, MARK)), ...(await fateTrial(place))];
    const outside = linkAbilitiesIn(await links.segment(), link);
    names.push(...outside.names, ...leaving(outside.rest, cases, policy));
    if (policy.kind !== "connected") return new Set(names);

    await device.routesUp(policy);
    const before = cases.filter(({ sent }) => sent.held && sent.probe.protocol === "tcp");
    names.push(
      ...(await tunnelTrial(
        place,
        before.map(({ sent }) => sent.probe.tag),
      )),
    );
    return new Set([...names, ...leaving(await links.segment(), cases, policy)]);
  } finally {
    await device.routesDown();
    await dropFlows(probers);
  }
}

function leaving(frames: readonly Seen[], cases: readonly SentCase[], policy: Policy): string[] {
  const { seen, unnamed } = account(frames, cases, [policy]);
  return [...[...seen].map(({ shape }) => describeShape(shape)), ...(unnamed.length > 0 ? [UNNAMED] : [])];
}

/** What of an observation is not as the policy wants it. */
export interface Deviations {
  /** Must not be, and was seen. */
  readonly wrong: readonly string[];
  /** Must be, and was not. */
  readonly missing: readonly string[];
}

/** Holds an observation against what is expected of a policy. */
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
