import type { SetSource } from "../filter/set-source.ts";

/** A list of given lines. */
export function listOf(...lines: string[]): SetSource {
  return { by: "list", id: "test", title: "Test list", rank: null, rules: { lines } };
}
