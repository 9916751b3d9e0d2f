import { MARK, type Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { type AbilityPlace, carriesAll, isConnected } from "./abilities.ts";
import { account, type SentCase } from "./account.ts";
import { fateTrial, flowTrial } from "./flow-trials.ts";
import { goneTrial } from "./gone-trial.ts";
import { linkAbilitiesIn, sendLinkTrials } from "./link-trials.ts";
import { describeShape } from "./matrix.ts";
import type { Seen } from "./seen.ts";
import { sendAll } from "./sending.ts";
import { sendSplitTrials, splitAbilitiesIn } from "./split-trials.ts";
import { tunnelTrial } from "./tunnel-trials.ts";

export const UNNAMED = "a frame that nothing names";

/** The parts of an observation. Each is by itself, so that one is enough where it tells. */
export const stageNames = ["leaving", "link", "flow", "tunnel", "split", "gone"] as const;
export type StageName = (typeof stageNames)[number];

export interface Stage {
  /** Whether flows are open from before the rules. */
  readonly withFlows: boolean;
  /** What is seen under a policy that is in force, by name. */
  observe(place: AbilityPlace, policy: Policy, cases: readonly SentCase[]): Promise<string[]>;
}

export const stages: Readonly<Record<StageName, Stage>> = {
  /** Every shape, and what became of flows of before. */
  leaving: {
    withFlows: true,
    async observe(place, policy, cases) {
      await place.links.segment();
      await sendAll(place.probers, cases);
      // What was asked of this machine is answered by then.
      await place.probers.daemon.seen();
      const fates = await fateTrial(place);
      return [...fates, ...leaving(await place.links.segment(), cases, policy)];
    },
  },
  link: {
    withFlows: false,
    async observe(place, policy) {
      await place.links.segment();
      const trial = await sendLinkTrials(place);
      const { names, rest } = linkAbilitiesIn(await place.links.segment(), trial);
      return [...names, ...leaving(rest, [], policy)];
    },
  },
  flow: {
    withFlows: false,
    observe: (place) => flowTrial(place, MARK),
  },
  tunnel: {
    withFlows: true,
    async observe(place, policy, cases) {
      if (!carriesAll(policy)) return [];
      const before = cases.filter(({ sent }) => sent.held && sent.probe.protocol === "tcp");
      const tags = before.map(({ sent }) => sent.probe.tag);
      return await withRoutes(place, policy, "device", () => tunnelTrial(place, tags));
    },
  },
  split: {
    withFlows: false,
    async observe(place, policy) {
      if (!isConnected(policy)) return [];
      return await withRoutes(place, policy, "device", async () => {
        await place.links.segment();
        const trial = await sendSplitTrials(place, policy);
        return splitAbilitiesIn(await place.links.segment(), trial);
      });
    },
  },
  gone: {
    withFlows: false,
    observe: (place, policy) => withRoutes(place, policy, "nowhere", () => goneTrial(place, MARK)),
  },
};

async function withRoutes<Result>(
  { device }: AbilityPlace,
  policy: Policy,
  way: "device" | "nowhere",
  use: () => Promise<Result>,
): Promise<Result> {
  await device.routesUp(policy, way);
  try {
    return await use();
  } finally {
    await device.routesDown();
  }
}

function leaving(frames: readonly Seen[], cases: readonly SentCase[], policy: Policy): string[] {
  const { seen, unnamed } = account(frames, cases, [policy]);
  return [...[...seen].map(({ shape }) => describeShape(shape)), ...(unnamed.length > 0 ? [UNNAMED] : [])];
}
