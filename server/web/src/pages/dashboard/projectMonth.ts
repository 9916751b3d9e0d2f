interface Point {
  readonly sentBytes: string;
  readonly receivedBytes: string;
}

const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * What the month will come to when the rest of it goes at the pace of the last seven days.
 * @param used bytes of the month so far
 * @param week the buckets of the last seven days
 * @param now ms since 1970
 * @param end ms since 1970; the end of the calendar month (UTC) when null
 */
export function projectMonth(used: bigint, week: readonly Point[], now: number, end: number | null): bigint {
  const carried = week.reduce(
    (sum, point) => sum + BigInt(point.sentBytes) + BigInt(point.receivedBytes),
    0n,
  );
  const left = Math.max(0, (end ?? endOfMonth(now)) - now);
  return used + (carried * BigInt(Math.round(left))) / BigInt(WEEK_MS);
}

function endOfMonth(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}
