/** Type ids of Postgres, from its catalogue pg_type. */
const INT8 = 20;
const NUMERIC = 1700;
const TIMESTAMPTZ = 1184;

/**
 * How values of the types that the two drivers read differently are read by both: int8 as bigint (pg: text;
 * PGlite: a number while it is safe), numeric as text, timestamptz as Date.
 */
export const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  [INT8]: (text) => BigInt(text),
  [NUMERIC]: (text) => text,
  [TIMESTAMPTZ]: readTimestamp,
};

/** The same for PGlite, whose option wants an object of its own. */
export const pgliteParsers: Record<number, (text: string) => unknown> = { ...parsers };

/**
 * Reads `2026-11-23 15:04:05.678901+00`; what a Date cannot hold (finer than milliseconds) is cut off.
 *
 * @throws RangeError for `infinity`, which no column of ours may hold.
 */
function readTimestamp(text: string): Date {
  const iso = text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
  const date = new Date(iso);
  if (Number.isNaN(date.getTime()))
    throw new RangeError(`The database holds a time that is no date: ${text}`);
  return date;
}
