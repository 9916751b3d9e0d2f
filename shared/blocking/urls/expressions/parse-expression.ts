import { allBut, type CharacterSet, inBothCases, setOf, unionOf } from "./character-set.ts";

/** A regular expression that was read. */
export type Expression =
  | { readonly kind: "one"; readonly of: CharacterSet }
  /** The beginning of the text, and its end. */
  | { readonly kind: "start" | "end" }
  | { readonly kind: "sequence"; readonly parts: readonly Expression[] }
  | { readonly kind: "either"; readonly ways: readonly Expression[] }
  | { readonly kind: "repeat"; readonly what: Expression; readonly least: number; readonly most: number };

/** More characters than this, with every repetition written out, are too many. */
const MAX_SIZE = 500;

/**
 * Reads a `regexFilter` of declarativeNetRequest as RE2 means it (https://github.com/google/re2/wiki/Syntax), as far as
 * RE2 and JavaScript mean the same: characters, classes, groups, alternatives, repetitions, `^` and `$`.
 * @returns undefined when it holds anything else, or is too long
 */
export function parseExpression(text: string, isCaseSensitive: boolean): Expression | undefined {
  try {
    const expression = new Parser(text, isCaseSensitive).whole();
    return sizeOf(expression) > MAX_SIZE ? undefined : expression;
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}

function sizeOf(expression: Expression): number {
  switch (expression.kind) {
    case "sequence":
      return expression.parts.reduce((sum, part) => sum + sizeOf(part), 0);
    case "either":
      return expression.ways.reduce((sum, way) => sum + sizeOf(way), 1);
    case "repeat": {
      const { what, least, most } = expression;
      return (sizeOf(what) + 1) * (most === Number.POSITIVE_INFINITY ? least + 1 : most);
    }
    default:
      return 1;
  }
}

class NotUnderstood extends Error {}

const DIGIT = setOf((one) => /\d/.test(one));
const WORD = setOf((one) => /\w/.test(one));
/** RE2's, which has no vertical tab. */
const SPACE = setOf((one) => "\t\n\f\r ".includes(one));
const ANY = allBut(setOf((one) => one === "\n"));
const classes: ReadonlyMap<string, CharacterSet> = new Map([
  ["d", DIGIT],
  ["D", allBut(DIGIT)],
  ["w", WORD],
  ["W", allBut(WORD)],
  ["s", SPACE],
  ["S", allBut(SPACE)],
]);
/** `{2}`, `{2,}`, `{2,5}`: the least and the most. */
const COUNT = /\{(\d{1,3})(?:(,)(\d{1,3})?)?\}/y;
const MAX_DEPTH = 30;

class Parser {
  readonly #text: string;
  readonly #isCaseSensitive: boolean;
  #at = 0;
  #depth = 0;

  constructor(text: string, isCaseSensitive: boolean) {
    this.#text = text;
    this.#isCaseSensitive = isCaseSensitive;
  }

  whole(): Expression {
    const expression = this.#either();
    if (this.#at < this.#text.length) throw new NotUnderstood();
    return expression;
  }

  #either(): Expression {
    const ways = [this.#sequence()];
    while (this.#take("|")) ways.push(this.#sequence());
    const [only] = ways;
    return ways.length === 1 && only !== undefined ? only : { kind: "either", ways };
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#next))
      parts.push(this.#repeated(this.#atom()));
    return { kind: "sequence", parts };
  }

  #repeated(what: Expression): Expression {
    const count = this.#count();
    if (count === undefined) return what;
    if (what.kind === "start" || what.kind === "end") throw new NotUnderstood();
    // Whether the shortest or the longest is preferred does not matter where only a yes or no is wanted.
    this.#take("?");
    if (/[*+?{]/.test(this.#next)) throw new NotUnderstood();
    return { kind: "repeat", what, ...count };
  }

  #count(): { readonly least: number; readonly most: number } | undefined {
    const many = Number.POSITIVE_INFINITY;
    if (this.#take("*")) return { least: 0, most: many };
    if (this.#take("+")) return { least: 1, most: many };
    if (this.#take("?")) return { least: 0, most: 1 };
    if (this.#next !== "{") return undefined;
    COUNT.lastIndex = this.#at;
    const found = COUNT.exec(this.#text);
    if (found === null) throw new NotUnderstood();
    this.#at = COUNT.lastIndex;
    const least = Number(found[1]);
    const most = found[2] === undefined ? least : Number(found[3] ?? many);
    if (most < least || most === 0) throw new NotUnderstood();
    return { least, most };
  }

  #atom(): Expression {
    if (this.#take("(")) return this.#group();
    if (this.#take("[")) return { kind: "one", of: this.#class() };
    if (this.#take(".")) return { kind: "one", of: ANY };
    if (this.#take("^")) return { kind: "start" };
    if (this.#take("$")) return { kind: "end" };
    if (/[*+?{}\]]/.test(this.#next)) throw new NotUnderstood();
    const read = this.#character();
    return { kind: "one", of: typeof read === "string" ? this.#range(read, read) : read };
  }

  #group(): Expression {
    if (this.#take("?") && !this.#take(":")) throw new NotUnderstood();
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new NotUnderstood();
    const inside = this.#either();
    this.#depth -= 1;
    if (!this.#take(")")) throw new NotUnderstood();
    return inside;
  }

  /** What follows `[`; RE2 has no empty class. */
  #class(): CharacterSet {
    const isNegative = this.#take("^");
    const sets: CharacterSet[] = [];
    do sets.push(this.#member());
    while (!this.#take("]"));
    const union = unionOf(sets);
    return isNegative ? allBut(union) : union;
  }

  #member(): CharacterSet {
    if (/[[\]]/.test(this.#next)) throw new NotUnderstood();
    const first = this.#character();
    if (typeof first !== "string") return first;
    if (this.#next !== "-" || this.#text[this.#at + 1] === "]") return this.#range(first, first);
    this.#at += 1;
    if (/[[\]]/.test(this.#next)) throw new NotUnderstood();
    const last = this.#character();
    if (typeof last !== "string" || last < first) throw new NotUnderstood();
    return this.#range(first, last);
  }

  #range(first: string, last: string): CharacterSet {
    const range = setOf((one) => first <= one && one <= last);
    return this.#isCaseSensitive ? range : inBothCases(range);
  }

  /** A character of ASCII, or a class of them such as `\d`. */
  #character(): string | CharacterSet {
    const isEscaped = this.#take("\\");
    const character = this.#next;
    this.#at += 1;
    if (!/^[\x20-\x7e]$/.test(character)) throw new NotUnderstood();
    if (!isEscaped || /\W|_/.test(character)) return character;
    const set = classes.get(character);
    if (set === undefined) throw new NotUnderstood();
    return set;
  }

  /** The next character; empty at the end. */
  get #next(): string {
    return this.#text.charAt(this.#at);
  }

  #take(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at += 1;
    return true;
  }
}
