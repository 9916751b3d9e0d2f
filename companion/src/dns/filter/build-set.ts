import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { DomainSetBuilder, type SetParts } from "@atlantic/shared/blocking/domain-set.ts";
import type { RuleCondition } from "@atlantic/shared/blocking/list-rule.ts";
import type { HashKey } from "@atlantic/shared/blocking/name-hash.ts";
import { parseListLine } from "@atlantic/shared/blocking/parse-list.ts";
import type { ListContents, SetSource } from "./set-source.ts";

export interface BuiltSet {
  readonly parts: SetParts;
  /** In the order of the sources. */
  readonly contents: readonly ListContents[];
}

/** Lines that are read before others get their turn: some milliseconds' work. */
const LINES_AT_ONCE = 5_000;

/** A line longer than this is no rule about names. */
const MAX_LINE_LENGTH = 4_096;

/**
 * Reads all sources into one set, a little at a time.
 * @throws Error when a file cannot be read
 */
export async function buildSet(sources: readonly SetSource[], key: HashKey): Promise<BuiltSet> {
  const builder = new DomainSetBuilder(key);
  const contents: ListContents[] = [];
  for (const [index, source] of sources.entries()) contents.push(await readSource(builder, source, index));
  return { parts: builder.build(), contents };
}

async function readSource(
  builder: DomainSetBuilder,
  source: SetSource,
  index: number,
): Promise<ListContents> {
  const notUnderstood: Record<string, number> = {};
  let rules = 0;
  let line = 0;
  for await (const text of linesOf(source)) {
    line++;
    if (line % LINES_AT_ONCE === 0) await setImmediate();
    const read = text.length > MAX_LINE_LENGTH ? TOO_LONG : parseListLine(text);
    if (read.kind === "not understood") notUnderstood[read.because] = (notUnderstood[read.because] ?? 0) + 1;
    if (read.kind !== "rules") continue;
    for (const rule of read.rules) {
      const kept = source.oneByOne ? { ...rule, condition: rule.condition ?? ALWAYS } : rule;
      builder.add(kept, index, line, source.rank ?? undefined);
    }
    rules += read.rules.length;
  }
  return { rules, notUnderstood };
}

/** A condition that always holds: only JavaScript knows conditions. */
const ALWAYS: RuleCondition = { pattern: null, types: null, except: [] };

const TOO_LONG = { kind: "not understood", because: "not a name" } as const;

function linesOf({ rules }: SetSource): AsyncIterable<string> | Iterable<string> {
  if ("lines" in rules) return rules.lines;
  return createInterface({
    input: createReadStream(rules.file, "utf8"),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
}
