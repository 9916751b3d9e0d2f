const SPECIAL = /[|*^]/;

/** An address as patterns see it. */
export interface UrlText {
  readonly text: string;
  /** In lower case: patterns know no cases unless they say so. */
  readonly lower: string;
  /** Where the host begins, and each name that it is below. */
  readonly names: readonly number[];
}

export function urlText(text: string): UrlText {
  const start = text.indexOf("://") + "://".length;
  const length = text.slice(start).search(/[/:?#]/);
  const end = length < 0 ? text.length : start + length;
  const names = [start];
  for (let dot = text.indexOf(".", start); dot >= 0 && dot < end; dot = text.indexOf(".", dot + 1))
    names.push(dot + 1);
  return { text, lower: text.toLowerCase(), names };
}

/**
 * Whether an address fits a `urlFilter` of declarativeNetRequest: `||` begins at a name of the host or one below it, `|` at
 * the beginning or the end, `*` stands for anything, and `^` for the end or what is neither letter, digit, nor one of `_-.%`.
 */
export function fitsPattern(pattern: string, url: UrlText, isCaseSensitive = false): boolean {
  const text = isCaseSensitive ? url.text : url.lower;
  const sought = isCaseSensitive ? pattern : pattern.toLowerCase();
  // Most patterns are words alone.
  if (!SPECIAL.test(sought)) return text.includes(sought);
  if (sought.startsWith("||")) {
    const rest = sought.slice(2);
    return url.names.some((at) => fitsFrom(rest, text, at, true));
  }
  return sought.startsWith("|") ? fitsFrom(sought.slice(1), text, 0, true) : fitsFrom(sought, text, 0, false);
}

function fitsFrom(pattern: string, text: string, from: number, isAnchored: boolean): boolean {
  const endsThere = pattern.endsWith("|");
  const parts = (endsThere ? pattern.slice(0, -1) : pattern).split("*");
  let at = from;
  for (const [index, part] of parts.entries()) {
    const isFixed = index === 0 && isAnchored;
    const mustEnd = endsThere && index === parts.length - 1;
    const next = find(part, text, at, isFixed, mustEnd);
    if (next === undefined) return false;
    at = next;
  }
  return true;
}

/** Where the first occurrence of a part ends; the first that is also the text's end where that is wanted. */
function find(
  part: string,
  text: string,
  from: number,
  isFixed: boolean,
  mustEnd: boolean,
): number | undefined {
  const last = isFixed ? from : text.length;
  for (let at = from; at <= last; at++) {
    const end = endOf(part, text, at);
    if (end !== undefined && (!mustEnd || end === text.length)) return end;
  }
  return undefined;
}

function endOf(part: string, text: string, at: number): number | undefined {
  for (let index = 0; index < part.length; index++) {
    const character = text[at + index];
    if (part[index] !== "^") {
      if (character !== part[index]) return undefined;
    } else if (character === undefined) return /^\^+$/.test(part.slice(index)) ? text.length : undefined;
    else if (/[a-z0-9_.%-]/i.test(character)) return undefined;
  }
  return at + part.length;
}
