import type { DifferentialResult } from "./run-differential.ts";

const SHOWN = 20;

/** A run in words: how much was alike, which rules were needed, and what no rule explains. */
export function describeDifferential({
  requests,
  alike,
  explained,
  unexplained,
}: DifferentialResult): string {
  const rules = [...explained]
    .sort((a, b) => b[1] - a[1])
    .map(([{ name, section }, count]) => `  ${String(count).padStart(5)}  ${name} (${section})`);
  const open = unexplained
    .slice(0, SHOWN)
    .map(
      ({ exchange, difference: { what, ours, peer } }) =>
        `  ✗ ${what}: ours ${JSON.stringify(ours)}, squid ${JSON.stringify(peer)}\n      ${JSON.stringify(exchange.request)}`,
    );
  return [
    `${requests} requests; ${alike} alike but for what each says of itself, ${unexplained.length} differences unexplained`,
    "explained by:",
    ...rules,
    ...open,
    "",
  ].join("\n");
}
