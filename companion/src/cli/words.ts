import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { Route } from "@atlantic/shared/routing/route.ts";

/** Bytes for people: a GB is 10^9 bytes. */
export function bytesInWords(text: string): string {
  const bytes = Number(text);
  if (bytes < 1_000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB", "PB"];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  return `${(bytes / 1_000 ** power).toFixed(power > 1 ? 2 : 0)} ${units[power - 1]}`;
}

/** A span of time, in the two units that say most. */
export function durationInWords(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function routeInWords(route: Route): string {
  switch (route.kind) {
    case "direct":
      return "direct";
    case "block":
      return "blocked";
    case "exit":
      return `exit ${exitId(route.exit)}`;
  }
}

/** As in "1 tab" and "2 tabs". */
export function counted(count: number | string, one: string): string {
  return `${count} ${one}${`${count}` === "1" ? "" : "s"}`;
}

/** The id by which `atlantic exits` lists an exit and `atlantic route set` takes it. */
function exitId({ country, region, city, ...rest }: ExitSelector): string {
  // A city says its region already.
  const all = city === undefined && region !== undefined ? { region, ...rest } : rest;
  const more = Object.entries(all).map(([key, value]) => `${key}=${value}`);
  return [[country, city].filter(Boolean).join("-") || "any", ...more].join(" ");
}

/** Rows under their headings, each column as wide as its widest cell. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => line.trimEnd()).join("\n");
}
