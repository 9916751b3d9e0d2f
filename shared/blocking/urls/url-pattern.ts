/** Longer addresses are looked at as far as this. */
const MAX_URL_LENGTH = 4_096;

/** An address as patterns see it. */
export interface UrlText {
  readonly text: string;
  /** Whether its end is the address's own. */
  readonly isWhole: boolean;
  /** In lower case: patterns know no cases unless they say so. */
  readonly lower: string;
  /** Where the host begins, and each name that it is below. */
  readonly names: readonly number[];
}

export function urlText(url: string): UrlText {
  const text = url.slice(0, MAX_URL_LENGTH);
  const scheme = text.indexOf("://") + "://".length;
  const length = text.slice(scheme).search(/[/?#]/);
  const end = length < 0 ? text.length : scheme + length;
  // A name and a password may stand in front of the host, and dots in them.
  const start = Math.max(scheme, text.lastIndexOf("@", end - 1) + 1);
  const names = [start];
  for (let dot = text.indexOf(".", start); dot >= 0 && dot < end; dot = text.indexOf(".", dot + 1))
    names.push(dot + 1);
  return { text, isWhole: text.length === url.length, lower: text.toLowerCase(), names };
}

/** A pattern that was read: whether an address fits it. */
export type UrlPattern = (url: UrlText) => boolean;

/**
 * Reads a `urlFilter` of declarativeNetRequest: `||` begins at a name of the host or one below it, `|` at the beginning or
 * the end, `*` stands for anything, and `^` for the end or what is neither letter, digit, nor one of `_-.%`.
 */
export function readPattern(pattern: string, isCaseSensitive = false): UrlPattern {
  const sought = isCaseSensitive ? pattern : pattern.toLowerCase();
  const textOf = (url: UrlText) => (isCaseSensitive ? url.text : url.lower);
  // Most patterns are words alone, and most addresses lack the longest word of the others.
  if (!/[|*^]/.test(sought)) return (url) => textOf(url).includes(sought);
  const word = longest(sought.split(/[|*^]/));
  const begins = /^\|{0,2}/.exec(sought)?.[0] ?? "";
  const endsThere = sought.length > begins.length && sought.endsWith("|");
  const parts = sought.slice(begins.length, endsThere ? -1 : undefined).split("*");
  return (url) => {
    const text = textOf(url);
    if (!text.includes(word)) return false;
    const seen = { text, isWhole: url.isWhole };
    if (begins !== "||") return fitsFrom(parts, seen, 0, begins === "|", endsThere);
    return url.names.some((at) => fitsFrom(parts, seen, at, true, endsThere));
  };
}

function longest(words: readonly string[]): string {
  return words.reduce((long, word) => (word.length > long.length ? word : long), "");
}

type Seen = Pick<UrlText, "text" | "isWhole">;

function fitsFrom(
  parts: readonly string[],
  seen: Seen,
  from: number,
  isAnchored: boolean,
  endsThere: boolean,
): boolean {
  let at = from;
  for (const [index, part] of parts.entries()) {
    const isFixed = index === 0 && isAnchored;
    const mustEnd = endsThere && index === parts.length - 1;
    const next = find(part, seen, at, isFixed, mustEnd);
    if (next === undefined) return false;
    at = next;
  }
  return true;
}

/** Where the first occurrence of a part ends; the first that is also the address's end where that is wanted. */
function find(
  part: string,
  seen: Seen,
  from: number,
  isFixed: boolean,
  mustEnd: boolean,
): number | undefined {
  const { text, isWhole } = seen;
  const last = isFixed ? from : text.length;
  for (let at = from; at <= last; at++) {
    const end = endOf(part, seen, at);
    if (end !== undefined && (!mustEnd || (end === text.length && isWhole))) return end;
  }
  return undefined;
}

function endOf(part: string, { text, isWhole }: Seen, at: number): number | undefined {
  for (let index = 0; index < part.length; index++) {
    const character = text[at + index];
    if (part[index] !== "^") {
      if (character !== part[index]) return undefined;
    } else if (character === undefined)
      return isWhole && /^\^+$/.test(part.slice(index)) ? text.length : undefined;
    else if (/[a-z0-9_.%-]/i.test(character)) return undefined;
  }
  return at + part.length;
}
