import { formatBytes } from "@atlantic/shared/look/bytes.ts";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { seriesQuery, summaryQuery } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { formatDay } from "../../parts/moments.ts";
import { projectMonth } from "./projectMonth.ts";

const count = new Intl.NumberFormat();

/** The figures of the month. */
export function Stats() {
  const summary = useQuery(summaryQuery);
  const week = useQuery(seriesQuery("week"));
  if (summary.isError && !summary.data) {
    return <FailureNotice error={summary.error} onRetry={() => summary.refetch()} />;
  }
  if (!summary.data) return <StatsPending />;
  const { month, balance } = summary.data;
  const used = BigInt(month.sentBytes) + BigInt(month.receivedBytes);
  const projected = week.data && projectMonth(used, week.data.points, Date.now(), balance.resetsAt);
  return (
    <dl className="stats panel">
      <Stat name="This month" figure={formatBytes(used)} meaning={allowanceOf(balance)} />
      <Stat
        name="By the end of the month"
        figure={projected === undefined ? <span className="pending">9.9 GB</span> : formatBytes(projected)}
        meaning="at the pace of the last 7 days"
      />
      <Stat
        name="Bytes, exactly"
        figure={<data value={`${used}`}>{count.format(used)}</data>}
        meaning={
          <>
            {count.format(BigInt(month.receivedBytes))} received, {count.format(BigInt(month.sentBytes))} sent
            {asides(month).map((aside) => (
              <span key={aside} className="block">
                {aside}
              </span>
            ))}
          </>
        }
      />
      <Stat
        name="Requests"
        figure={count.format(month.requests)}
        meaning={month.failed === 0 ? "none failed" : `${count.format(month.failed)} failed`}
      />
    </dl>
  );
}

function allowanceOf(balance: { readonly allowanceBytes: string; readonly resetsAt: number | null }): string {
  const whole = `of ${formatBytes(BigInt(balance.allowanceBytes))}`;
  return balance.resetsAt === null ? whole : `${whole}, resets ${formatDay(balance.resetsAt)}`;
}

interface Aside {
  readonly unchargedSentBytes: string;
  readonly unchargedReceivedBytes: string;
  readonly tlsBytes: string;
}

/** What moved besides, and costs nothing. */
function asides({ unchargedSentBytes, unchargedReceivedBytes, tlsBytes }: Aside): string[] {
  const uncharged = BigInt(unchargedSentBytes) + BigInt(unchargedReceivedBytes);
  const tls = BigInt(tlsBytes);
  return [
    ...(uncharged > 0n ? [`${count.format(uncharged)} more in attempts that failed, not charged`] : []),
    ...(tls > 0n ? [`${count.format(tls)} more of TLS towards clients, not charged`] : []),
  ];
}

interface StatProps {
  readonly name: string;
  readonly figure: ReactNode;
  readonly meaning: ReactNode;
}

function Stat({ name, figure, meaning }: StatProps) {
  return (
    <div className="stat">
      <dt className="muted">{name}</dt>
      <dd>{figure}</dd>
      <dd className="faint">{meaning}</dd>
    </div>
  );
}

const pendingNames = ["This month", "By the end of the month", "Bytes, exactly", "Requests"];

function StatsPending() {
  return (
    <dl className="stats panel" aria-busy="true">
      {pendingNames.map((name) => (
        <Stat
          key={name}
          name={name}
          figure={<span className="pending">0.00 GB</span>}
          meaning={<span className="pending">of 10 GB, resets</span>}
        />
      ))}
    </dl>
  );
}
