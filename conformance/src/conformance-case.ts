import type { Probe } from "./probe.ts";
import type { Ability } from "./subject.ts";

export const groups = ["http", "connect", "socks5", "refusals", "limits"] as const;
export type Group = (typeof groups)[number];

export const groupTitles: Readonly<Record<Group, string>> = {
  http: "HTTP forwarding",
  connect: "CONNECT",
  socks5: "SOCKS5",
  refusals: "refusals (SSRF)",
  limits: "limits",
};

/** One idea of a standard, or of the checklist, and how to see on the wire whether a proxy holds to it. */
export interface ConformanceCase {
  /** Stable; with the group in front it is the case's name for ever. */
  readonly id: string;
  readonly group: Group;
  readonly level: "MUST" | "SHOULD";
  /** RFC and section, or the checklist where no standard says it. */
  readonly section: string;
  /** What must be, as a sentence. */
  readonly must: string;
  readonly needs: readonly Ability[];
  /** Resolves when the proxy holds to it. @throws Finding with what was seen when it does not */
  run(probe: Probe): Promise<void>;
}

/** Fills in what the cases of one file have in common. */
export function casesOf(
  group: Group,
  needs: readonly Ability[],
): (
  id: string,
  level: "MUST" | "SHOULD",
  section: string,
  must: string,
  run: (probe: Probe) => Promise<void>,
  more?: readonly Ability[],
) => ConformanceCase {
  return (id, level, section, must, run, more = []) => ({
    id,
    group,
    level,
    section,
    must,
    needs: [...needs, ...more],
    run,
  });
}
