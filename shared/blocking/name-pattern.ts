import type { NamePattern } from "./list-rule.ts";

/** Whether a pattern matches a name. Linear in the name for each part: no pattern of a list can stall the resolver. */
export function matchesPattern({ parts, start, end }: NamePattern, name: string): boolean {
  if (start === "label") {
    for (let at = 0; at >= 0; at = nextLabel(name, at)) if (matchesFrom(parts, end, name, at)) return true;
    return false;
  }
  const [first = ""] = parts;
  if (start === "name") return matchesFrom(parts, end, name, 0);
  const found = parts.length === 1 && end ? lastPlace(name, first) : name.indexOf(first);
  return found >= 0 && matchesFrom(parts, end, name, found);
}

function nextLabel(name: string, at: number): number {
  const stop = name.indexOf(".", at);
  return stop < 0 ? -1 : stop + 1;
}

function lastPlace(name: string, part: string): number {
  return name.endsWith(part) ? name.length - part.length : -1;
}

/** The first part stands at `at`; every following one as early as it can, and the last one at the end when it must. */
function matchesFrom(parts: readonly string[], end: boolean, name: string, at: number): boolean {
  const [first = "", ...rest] = parts;
  if (!name.startsWith(first, at)) return false;
  let reached = at + first.length;
  for (const [index, part] of rest.entries()) {
    const isLast = index === rest.length - 1;
    const found = isLast && end ? lastPlace(name, part) : name.indexOf(part, reached);
    if (found < reached) return false;
    reached = found + part.length;
  }
  return !end || reached === name.length;
}
