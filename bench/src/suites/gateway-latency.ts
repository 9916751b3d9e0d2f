import type { Way } from "../load/load.ts";
import { inTurn } from "../measure/in-turn.ts";
import type { Peer } from "../peers/peer.ts";
import { makeRow, type Row } from "../row.ts";
import type { SuiteContext } from "../suite.ts";
import { type Field, pairs } from "./gateway-field.ts";

export const latencyCase = {
  forward: "one keep-alive request after the other",
  tunnel: "one new tunnel with a GET after the other",
};

/** One client, one request after the other: what each proxy adds to the direct path. */
export async function measureAddedLatency(
  context: SuiteContext,
  way: "forward" | "tunnel",
  field: Field,
): Promise<Row[]> {
  const what = latencyCase[way];
  const kind = way === "forward" ? "requests" : "connections";
  context.progress(`added latency, ${what}`);
  const { load, ours, rivals } = field;
  const p50 = async (path: Way) => (await load.timed(kind, path, { seconds: 1, threads: 1 })).p50Micros / 1e3;
  const contestants = [...ours, ...rivals].flatMap(({ name, ways }) => {
    const path = ways[way]?.way;
    if (path === undefined) return [];
    return [{ name, measure: async () => (await p50(path)) - (await p50({ kind: "direct" })) }];
  });
  const readings = await inTurn(context.rounds, contestants);
  context.keep(`added latency, ${what}`, Object.fromEntries(readings));
  return pairs(field, way).map(([our, rival, note]) =>
    makeRow({
      suite: "gateway",
      case: `${what}; ${our.name}; ${rival.name} with ${note}`,
      metric: "added latency p50",
      unit: "ms",
      better: "lower",
      ours: readings.get(our.name) ?? [],
      peer: { name: rival.name, rounds: readings.get(rival.name) ?? [] },
    }),
  );
}

const PACED_PER_SECOND = 1_000;
export const PACED = `${PACED_PER_SECOND} forwarded requests a second, keep-alive`;

/** At a steady rate: what each proxy adds to the direct path, at the median and at the hundredth slowest. */
export async function measurePacedLatency(
  context: SuiteContext,
  { load, ours, rivals }: Field,
): Promise<Row[]> {
  context.progress(`added latency, ${PACED}`);
  // So long that what opening the connections takes is less than one request in a hundred.
  const paced = (path: Way) => load.paced(path, { seconds: 5, threads: 20, perSecond: PACED_PER_SECOND });
  const contestants = [...ours, ...rivals].flatMap(({ name, ways }) => {
    const path = ways.forward?.way;
    if (path === undefined) return [];
    const measure = async () => {
      const [proxied, direct] = [await paced(path), await paced({ kind: "direct" })];
      return {
        p50: (proxied.p50Micros - direct.p50Micros) / 1e3,
        p99: (proxied.p99Micros - direct.p99Micros) / 1e3,
      };
    };
    return [{ name, measure }];
  });
  const readings = await inTurn(context.rounds, contestants);
  context.keep(`added latency, ${PACED}`, Object.fromEntries(readings));
  const rounds = ({ name }: Peer, metric: "p50" | "p99") =>
    (readings.get(name) ?? []).map((reading) => reading[metric]);
  return pairs({ load, ours, rivals }, "forward").flatMap(([our, rival, note]) =>
    (
      [
        ["p50", 0.5],
        ["p99", 3],
      ] as const
    ).map(([metric, most]) =>
      makeRow({
        suite: "gateway",
        case: `${PACED}; ${our.name}; ${rival.name} with ${note}`,
        metric: `added latency ${metric}`,
        unit: "ms",
        better: "lower",
        ours: rounds(our, metric),
        peer: { name: rival.name, rounds: rounds(rival, metric) },
        bar: { of: "ours", atMost: most },
      }),
    ),
  );
}
