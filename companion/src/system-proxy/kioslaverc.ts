import type { DesktopValues } from "./desktop-store.ts";

const GROUP = "Proxy Settings";
const HEADING = /^\s*\[(.*?)\]/;

/** Stands for the file itself, and for the group's heading: "" where it is there, null where it is not. */
export const FILE_NAME = "the file";
export const GROUP_NAME = "the group";

/** What a kioslaverc says about proxies: whole lines by key, as they stand. */
export interface Kioslaverc {
  readonly values: DesktopValues;
  /** An administrator's `[$i]` forbids to change it. */
  readonly locked: boolean;
}

/** Reads the lines of the group "Proxy Settings" of KDE's configuration format; null: there is no file. */
export function readKioslaverc(text: string | null): Kioslaverc {
  const values = new Map<string, string | null>([
    [FILE_NAME, text === null ? null : ""],
    [GROUP_NAME, null],
  ]);
  // Alone on a line it locks the whole file.
  let locked = /^\[\$i\]\s*$/m.test(text ?? "");
  for (const { line, isHeading, key } of linesOf(text ?? "")) {
    if (isHeading) values.set(GROUP_NAME, "");
    // The last line of a key is the one that counts.
    else if (key !== undefined) values.set(key, line);
    else continue;
    locked ||= /\[\$[a-z]*i[a-z]*\]/.test(line.split("=", 1)[0] ?? "");
  }
  return { values, locked };
}

/**
 * Writes lines into the text and touches nothing else: every other byte stays where it is.
 * @returns null when no file is to be left
 */
export function editKioslaverc(text: string | null, values: DesktopValues): string | null {
  let lines = (text ?? "").split("\n");
  if (needsGroup(values) && findGroup(lines) < 0) lines = withGroup(lines);
  for (const [name, value] of values) {
    if (name !== FILE_NAME && name !== GROUP_NAME) lines = withLine(lines, name, value);
  }
  if (values.get(GROUP_NAME) === null) lines = withoutEmptyGroup(lines);
  const edited = lines.join("\n");
  return edited === "" && values.get(FILE_NAME) === null ? null : edited;
}

interface Line {
  readonly line: string;
  /** The heading of the group, as against what stands in it. */
  readonly isHeading: boolean;
  /** Of an entry in the group, without its `[$e]` and the like; undefined for all else. */
  readonly key: string | undefined;
}

function linesOf(text: string): Line[] {
  let inGroup = false;
  return text.split("\n").map((line) => {
    const heading = HEADING.exec(line)?.[1];
    if (heading !== undefined) inGroup = heading === GROUP;
    const isHeading = heading !== undefined && inGroup;
    const key =
      inGroup && !isHeading ? /^\s*([^=[\]#\s][^=[\]]*?)\s*(?:\[[^\]]*\])*\s*=/.exec(line)?.[1] : undefined;
    return { line, isHeading, key };
  });
}

function needsGroup(values: DesktopValues): boolean {
  return [...values].some(([name, value]) => name !== FILE_NAME && name !== GROUP_NAME && value !== null);
}

function findGroup(lines: readonly string[]): number {
  return linesOf(lines.join("\n")).findIndex(({ isHeading }) => isHeading);
}

/** Before the first group, or after what stands in none. */
function withGroup(lines: readonly string[]): string[] {
  const first = lines.findIndex((line) => HEADING.test(line));
  const end = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  return lines.toSpliced(first < 0 ? end : first, 0, `[${GROUP}]`);
}

function withLine(lines: readonly string[], key: string, line: string | null): string[] {
  const at = linesOf(lines.join("\n")).findLastIndex((one) => one.key === key);
  if (at < 0) return line === null ? [...lines] : lines.toSpliced(findGroup(lines) + 1, 0, line);
  return line === null ? lines.toSpliced(at, 1) : lines.toSpliced(at, 1, line);
}

function withoutEmptyGroup(lines: readonly string[]): string[] {
  const at = findGroup(lines);
  const next = lines.slice(at + 1).find((line) => line.trim() !== "");
  const isEmpty = next === undefined || HEADING.test(next);
  return at >= 0 && isEmpty ? lines.toSpliced(at, 1) : [...lines];
}
