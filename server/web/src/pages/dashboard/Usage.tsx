import { formatExactBytes } from "@atlantic/shared/look/bytes.ts";
import { useQuery } from "@tanstack/react-query";
import { seriesQuery, type UsageRange } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { formatDayAndTime } from "../../parts/moments.ts";
import { Segmented } from "../../parts/Segmented.tsx";
import { UsageChart, type UsagePoint } from "./UsageChart.tsx";

const ranges = [
  { value: "day", text: "Day" },
  { value: "week", text: "Week" },
  { value: "month", text: "Month" },
] as const;

interface UsageProps {
  readonly range: UsageRange;
  readonly onPick: (range: UsageRange) => void;
}

/** Usage over time, as a chart and as a table of the same figures. */
export function Usage({ range, onPick }: UsageProps) {
  const series = useQuery(seriesQuery(range));
  const points = series.data?.points.map(pointOf) ?? null;
  return (
    <section className="panel" aria-labelledby="usage">
      <div className="flex flex-wrap items-center gap-2.5">
        <h2 id="usage" className="flex-auto">
          Usage
        </h2>
        <div className="w-56">
          <Segmented name="range" label="Stretch of time" options={ranges} value={range} onPick={onPick} />
        </div>
      </div>
      {series.isError && !series.data ? (
        <div className="mt-3 min-h-64">
          <FailureNotice error={series.error} onRetry={() => series.refetch()} />
        </div>
      ) : (
        <UsageChart points={points} range={range} />
      )}
      {points && <UsageTable points={points} />}
    </section>
  );
}

function pointOf(point: { at: number; sentBytes: string; receivedBytes: string }): UsagePoint {
  return { at: point.at, sentBytes: BigInt(point.sentBytes), receivedBytes: BigInt(point.receivedBytes) };
}

function UsageTable({ points }: { readonly points: readonly UsagePoint[] }) {
  const moved = points.filter(({ sentBytes, receivedBytes }) => sentBytes + receivedBytes > 0n);
  return (
    <details className="mt-2">
      <summary className="muted cursor-pointer text-xs">The same as a table</summary>
      <div className="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col" className="n">
                Sent
              </th>
              <th scope="col" className="n">
                Received
              </th>
            </tr>
          </thead>
          <tbody>
            {moved.map(({ at, sentBytes, receivedBytes }) => (
              <tr key={at}>
                <td>{formatDayAndTime(at)}</td>
                <td className="n">{formatExactBytes(sentBytes)}</td>
                <td className="n">{formatExactBytes(receivedBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {moved.length === 0 && <p className="muted">No bytes in this stretch of time.</p>}
    </details>
  );
}
