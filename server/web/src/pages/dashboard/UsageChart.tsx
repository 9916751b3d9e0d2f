import "uplot/dist/uPlot.min.css";
import { type ByteUnit, byteUnit, formatBytes, inByteUnit } from "@atlantic/shared/look/bytes.ts";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import type { UsageRange } from "../../api/queries.ts";
import { formatDayAndTime } from "../../parts/moments.ts";
import { chartOptions } from "./chartOptions.ts";
import { useColourScheme } from "./useColourScheme.ts";

/** Bytes of one bucket of time. `at`: its start, ms since 1970. */
export interface UsagePoint {
  readonly at: number;
  readonly sentBytes: bigint;
  readonly receivedBytes: bigint;
}

interface UsageChartProps {
  /** Null while they are on their way. */
  readonly points: readonly UsagePoint[] | null;
  readonly range: UsageRange;
}

/** Received bytes as an area and sent ones as a dashed line: told apart by shape, not by colour alone. */
export function UsageChart({ points, range }: UsageChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const scheme = useColourScheme();
  const largest = largestOf(points ?? []);
  const unit = largest === 0n ? "megabyte" : byteUnit(largest);
  const loaded = points !== null;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another scheme means other colours.
  useEffect(() => {
    if (!box.current || !loaded) return;
    const element = box.current;
    const width = element.clientWidth;
    const chart = new uPlot(
      chartOptions({ element, width, unit, range, onPoint: setPointed }),
      [[], [], []],
      element,
    );
    plot.current = chart;
    const resized = new ResizeObserver(() =>
      chart.setSize({ width: element.clientWidth, height: chart.height }),
    );
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [loaded, unit, range, scheme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new plot needs its data, too.
  useEffect(() => {
    if (points) plot.current?.setData(dataOf(points, unit));
  }, [points, unit, range, scheme]);

  return (
    <figure className="m-0 mt-3">
      <div className="relative">
        <div ref={box} className="h-55" role="img" aria-label={describe(points, range)} />
        {loaded && largest === 0n && (
          <p className="panel muted absolute inset-x-0 top-20 mx-auto w-fit px-3 py-1">
            No bytes in {stretches[range]}.
          </p>
        )}
      </div>
      <figcaption className="muted mt-2 flex min-h-5 flex-wrap gap-x-4 text-xs">
        <Legend point={pointed === null ? undefined : (points?.[pointed] ?? points?.at(-1))} />
        <span className="grow" />
        <span className="faint">1 GB = 1,000,000,000 bytes</span>
      </figcaption>
    </figure>
  );
}

function Legend({ point }: { readonly point: UsagePoint | undefined }) {
  return (
    <>
      <span>— received {point && formatBytes(point.receivedBytes)}</span>
      <span>- - sent {point && formatBytes(point.sentBytes)}</span>
      {point && <span>from {formatDayAndTime(point.at)}</span>}
    </>
  );
}

function largestOf(points: readonly UsagePoint[]): bigint {
  let largest = 0n;
  for (const bytes of points.flatMap(({ sentBytes, receivedBytes }) => [sentBytes, receivedBytes])) {
    if (bytes > largest) largest = bytes;
  }
  return largest;
}

/** uPlot counts time in seconds. The last bucket is said again at its end, so that it has a breadth, too. */
function dataOf(buckets: readonly UsagePoint[], unit: ByteUnit): uPlot.AlignedData {
  const [first, second] = buckets;
  const last = buckets.at(-1);
  const breadth = first && second ? second.at - first.at : 0;
  const points = last ? [...buckets, { ...last, at: last.at + breadth }] : buckets;
  return [
    points.map(({ at }) => at / 1000),
    points.map(({ receivedBytes }) => inByteUnit(receivedBytes, unit)),
    points.map(({ sentBytes }) => inByteUnit(sentBytes, unit)),
  ];
}

const stretches: Readonly<Record<UsageRange, string>> = {
  day: "the last 24 hours",
  week: "the last 7 days",
  month: "the last 30 days",
};

function describe(points: readonly UsagePoint[] | null, range: UsageRange): string {
  if (!points) return `Usage over ${stretches[range]}, loading`;
  const received = points.reduce((sum, point) => sum + point.receivedBytes, 0n);
  const sent = points.reduce((sum, point) => sum + point.sentBytes, 0n);
  return `Usage over ${stretches[range]}: ${formatBytes(received)} received and ${formatBytes(sent)} sent`;
}
