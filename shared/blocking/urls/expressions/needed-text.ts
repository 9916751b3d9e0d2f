import { type CharacterSet, OTHERS, onlyCharacter } from "./character-set.ts";
import type { Expression } from "./parse-expression.ts";

/** What stands between characters that are known: nothing that could belong to a word, or anything. */
const EDGE = "edge";
const GAP = "gap";
const WORD_CHARACTER = /^[a-z0-9%]$/;

/** What every address has that an expression fits. */
export interface NeededText {
  /** Whole words, in lower case, as `tokensOfUrl` finds them. */
  readonly words: readonly string[];
  /** The longest run of characters, in lower case; empty when there is none. */
  readonly longest: string;
}

export function neededText(expression: Expression): NeededText {
  const pieces = [...piecesOf(expression)];
  const runs = runsOf(pieces, (piece) => piece.length === 1);
  const words = runsOf(pieces, (piece) => WORD_CHARACTER.test(piece)).filter(
    ({ before, after }) => isEdge(before) && isEdge(after),
  );
  const longest = runs.reduce((long, { text }) => (text.length > long.length ? text : long), "");
  return { words: words.map(({ text }) => text), longest };
}

function isEdge(piece: string | undefined): boolean {
  return piece === EDGE || (piece?.length === 1 && !WORD_CHARACTER.test(piece));
}

function* piecesOf(expression: Expression): Generator<string> {
  if (expression.kind === "sequence") for (const part of expression.parts) yield* piecesOf(part);
  else if (expression.kind === "start" || expression.kind === "end") yield EDGE;
  else if (expression.kind === "one")
    yield onlyCharacter(expression.of) ?? (hasWords(expression.of) ? GAP : EDGE);
  else yield GAP;
}

function hasWords(set: CharacterSet): boolean {
  return set.some(
    (isIn, code) => isIn === 1 && code < OTHERS && /[a-z0-9%]/i.test(String.fromCharCode(code)),
  );
}

interface Run {
  readonly text: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

function runsOf(pieces: readonly string[], belongs: (piece: string) => boolean): Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < pieces.length; at++) {
    const start = at;
    while (belongs(pieces[at] ?? "")) at += 1;
    if (at > start)
      runs.push({ text: pieces.slice(start, at).join(""), before: pieces[start - 1], after: pieces[at] });
  }
  return runs;
}
