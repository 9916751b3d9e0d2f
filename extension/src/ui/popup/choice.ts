import type { Route } from "@atlantic/shared/routing/route.ts";

/** One line of the list of exits. */
export interface Choice {
  readonly id: string;
  /** Two letters of the country, or a sign where there is none. */
  readonly code: string;
  /** The town, or the whole label where there is none. */
  readonly place: string;
  /** What follows the town: country and network. */
  readonly about: string;
  readonly demonstration: boolean;
  readonly latencyMs: number | null;
  readonly route: Route;
  /** Everything that a search looks at. */
  readonly searched: string;
}

const withoutExit = { about: "", demonstration: false, latencyMs: null };

export const DIRECT_CHOICE: Choice = {
  ...withoutExit,
  id: "direct",
  code: "–",
  place: "No exit, direct",
  route: { kind: "direct" },
  searched: "no exit direct none",
};

export const BLOCK_CHOICE: Choice = {
  ...withoutExit,
  id: "block",
  code: "×",
  place: "Block",
  route: { kind: "block" },
  searched: "block nothing leaves",
};
