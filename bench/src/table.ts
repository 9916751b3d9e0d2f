import type { Row } from "./row.ts";

/** The rows as a table for people: one block a suite. */
export function describeRows(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.case,
    row.metric,
    `${row.ours}`,
    row.peer === null ? "–" : `${row.peer}`,
    row.unit,
    row.ratio === null ? "–" : `${row.ratio.toFixed(2)}×`,
    row.peerName ?? "",
    row.bar === null ? "" : `${row.bar}: ${row.holds ? "holds" : "DOES NOT HOLD"}`,
  ]);
  const head = ["case", "metric", "ours", "peer", "unit", "ratio", "peer is", "bar"];
  const widths = head.map((title, column) =>
    Math.max(...[head, ...cells].map((line) => line[column]?.length ?? title.length)),
  );
  const line = (texts: readonly string[]) =>
    texts
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const blocks = [
    ...Map.groupBy(
      rows.map((row, index) => ({ suite: row.suite, text: line(cells[index] ?? []) })),
      ({ suite }) => suite,
    ),
  ];
  return blocks
    .map(([suite, lines]) => [`\n${suite}`, line(head), ...lines.map(({ text }) => text)].join("\n"))
    .join("\n");
}
