import { elsewhere } from "../leaks/compile.ts";
import { nextTag } from "../leaks/sending.ts";
import type { Fault, FaultPlace } from "./fault.ts";

const OPEN_MS = 2_000;
/** Within this a flow whose upstream died must have ended: with a reset or an end, and not by a hang. */
const FATE_MS = 5_000;

const takes = "an upstream";

/** Ends the one that carries the traffic; the other is there. */
async function endUpstream({ product }: FaultPlace): Promise<void> {
  // There may be none, or nobody to say which, when another fault was first.
  const view = await product.view().catch(() => null);
  await product.stopUpstream(view?.upstream ?? null);
}

export const upstreamFaults: readonly Fault[] = [
  {
    name: "the upstream dies",
    takes,
    inject: endUpstream,
    after: ({ product }) => product.startUpstreams(),
  },
  {
    name: "the upstream is started anew",
    takes,
    async inject(place) {
      await endUpstream(place);
      await place.product.startUpstreams();
    },
  },
  {
    name: "the upstream dies in mid-transfer",
    takes,
    async inject(place) {
      const { traveller } = place;
      const probe = { tag: nextTag(), family: 4, protocol: "tcp", port: 443, to: elsewhere[4] } as const;
      await traveller.hold([probe], OPEN_MS);
      await traveller.resume();
      await endUpstream(place);
    },
    async after({ traveller, product }) {
      const fates = await traveller.fate(FATE_MS);
      await traveller.drop();
      await product.startUpstreams();
      if ([...fates.values()].includes(null))
        throw new Error(`A flow through the upstream that died hung for ${FATE_MS} ms instead of ending.`);
    },
  },
];
