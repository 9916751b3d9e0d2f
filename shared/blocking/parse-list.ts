import { listName } from "./list-name.ts";
import type { ListRule, NamePattern, RuleCondition } from "./list-rule.ts";

/** What a line of a list is. */
export type ListLine =
  | { readonly kind: "rules"; readonly rules: readonly ListRule[] }
  /** Empty, or a comment. */
  | { readonly kind: "silent" }
  /** A rule that says nothing about names, or says it in a way that is not understood here. */
  | { readonly kind: "not understood"; readonly because: NotUnderstood };

export type NotUnderstood =
  | "hides parts of pages"
  | "speaks of addresses of pages"
  | "modifier for browsers or for one client"
  | "answers with another address"
  | "regular expression"
  | "not a name";

const SILENT: ListLine = { kind: "silent" };
const BLACK_HOLES: ReadonlySet<string> = new Set(["0.0.0.0", "127.0.0.1", "::", "::1", "0", "::0"]);
/** Names that hosts files give to the machine itself. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  "localhost",
  "localhost.localdomain",
  "local",
  "broadcasthost",
  "ip6-localhost",
  "ip6-loopback",
  "ip6-localnet",
  "ip6-mcastprefix",
  "ip6-allnodes",
  "ip6-allrouters",
  "ip6-allhosts",
  "0.0.0.0",
]);

/** Types that lists speak of, by their names (IANA's registry of DNS parameters). */
const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DS: 43,
  SVCB: 64,
  HTTPS: 65,
  CAA: 257,
};

/** Reads one line of a list: hosts syntax, a plain name, or the Adblock syntax for DNS. */
export function parseListLine(text: string): ListLine {
  const line = text.trim();
  if (line === "" || line.startsWith("!") || /^#(?!#)/.test(line) || /^\[[^\]]*\]$/.test(line)) return SILENT;
  const isHosts = BLACK_HOLES.has(/^\S+(?=\s)/.exec(line)?.[0] ?? "");
  if (!isHosts && /#@?[$?%]*#/.test(line)) return notUnderstood("hides parts of pages");
  if (/^\S+\s/.test(line)) return parseHosts(line);
  return parseAdblock(line);
}

function parseHosts(line: string): ListLine {
  const [address = "", ...names] = withoutComment(line).split(/\s+/);
  if (names.length === 0) return parseAdblock(address);
  if (!/^[0-9a-fA-F.:]+(%\w+)?$/.test(address)) return notUnderstood("not a name");
  const others = names.filter((text) => !OWN_NAMES.has(text.toLowerCase()));
  if (others.length === 0) return SILENT;
  if (!BLACK_HOLES.has(address)) return notUnderstood("answers with another address");
  const rules: ListRule[] = [];
  for (const text of others) {
    const name = listName(text);
    if (name === undefined) return notUnderstood("not a name");
    rules.push({ ...BLOCK, name, self: true, below: false });
  }
  return { kind: "rules", rules };
}

function withoutComment(line: string): string {
  const at = line.indexOf("#");
  return (at < 0 ? line : line.slice(0, at)).trim();
}

const BLOCK = { allow: false, important: false, condition: null } as const;

function parseAdblock(line: string): ListLine {
  const allow = line.startsWith("@@");
  const body = allow ? line.slice(2) : line;
  if (body.startsWith("/"))
    return notUnderstood(isExpression(body) ? "regular expression" : "speaks of addresses of pages");
  const dollar = body.indexOf("$");
  const modifiers = dollar < 0 ? NO_MODIFIERS : parseModifiers(body.slice(dollar + 1));
  if (typeof modifiers === "string") return notUnderstood(modifiers);
  const { important, types, except } = modifiers;
  const place = parsePlace(dollar < 0 ? body : body.slice(0, dollar));
  if (typeof place === "string") return notUnderstood(place);
  const { name, self, below, pattern } = place;
  const isPlain = pattern === null && types === null && except.length === 0;
  const condition: RuleCondition | null = isPlain ? null : { pattern, types, except };
  return { kind: "rules", rules: [{ name, self, below, allow, important, condition }] };
}

function isExpression(body: string): boolean {
  return /^\/.+\/(?:\$.*)?$/.test(body);
}

interface Modifiers {
  readonly important: boolean;
  readonly types: RuleCondition["types"];
  readonly except: readonly string[];
}

const NO_MODIFIERS: Modifiers = { important: false, types: null, except: [] };

function parseModifiers(text: string): Modifiers | NotUnderstood {
  let found = NO_MODIFIERS;
  for (const modifier of text.split(",")) {
    const [word = "", value = ""] = modifier.split("=", 2);
    if (word === "important") found = { ...found, important: true };
    else if (word === "dnstype") {
      const types = parseTypes(value.split("|"));
      if (types === undefined) return "modifier for browsers or for one client";
      found = { ...found, types };
    } else if (word === "denyallow") {
      const except = value.split("|").map(listName);
      if (!except.every((name) => name !== undefined)) return "not a name";
      found = { ...found, except };
    } else return "modifier for browsers or for one client";
  }
  return found;
}

function parseTypes(words: readonly string[]): RuleCondition["types"] | undefined {
  const meant = !words.every((word) => word.startsWith("~"));
  const numbers: number[] = [];
  for (const word of words) {
    if (word.startsWith("~") === meant) return undefined;
    const number = TYPES[word.replace("~", "").toUpperCase()];
    if (number === undefined) return undefined;
    numbers.push(number);
  }
  return { numbers, meant };
}

interface Place {
  readonly name: string;
  readonly self: boolean;
  readonly below: boolean;
  readonly pattern: NamePattern | null;
}

/** Which names are meant: `||a.example^`, `|a.example^`, `*.a.example`, `a.example`, or a pattern with asterisks. */
function parsePlace(text: string): Place | NotUnderstood {
  const start = text.startsWith("||") ? "label" : text.startsWith("|") ? "name" : "anywhere";
  const unanchored = text.replace(/^\|\|?/, "").replace(/^https?:\/\//, "");
  const end = /[\^|]$/.test(unanchored);
  const body = unanchored.replace(/\^?\|?$/, "").toLowerCase();
  if (body.includes("/") || body.includes("^") || body.includes(":")) return "speaks of addresses of pages";
  const name = listName(body);
  if (name !== undefined) {
    // Without an end, `||name` would also mean `name.other`: that is a pattern.
    if (start === "label" && end) return { name, self: true, below: true, pattern: null };
    if (start === "name" && end) return { name, self: true, below: false, pattern: null };
    if (start === "anywhere" && !end) return { name, self: true, below: false, pattern: null };
  }
  const below = body.startsWith("*.") ? listName(body.slice(2)) : undefined;
  if (below !== undefined && (end || start === "anywhere"))
    return { name: below, self: false, below: true, pattern: null };
  return parsePattern(body, start, end);
}

const PATTERN = /^[a-z0-9_.*-]+$/;

function parsePattern(body: string, start: NamePattern["start"], end: boolean): Place | NotUnderstood {
  const letters = body.replaceAll(/[*.-]/g, "");
  // A pattern of a letter or two would block the whole net.
  if (!PATTERN.test(body) || letters.length < 3 || /^\d*$/.test(letters)) return "not a name";
  if (start === "anywhere" && !end && !body.includes("*")) return "not a name";
  const parts = body.split("*");
  const pattern: NamePattern = { parts, start, end };
  return { name: end ? wholeLabelsAtEnd(parts) : "", self: true, below: true, pattern };
}

/** The labels after the last asterisk that are there whole: with them the pattern is found among many. */
function wholeLabelsAtEnd(parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  if (parts.length === 1) return "";
  const stop = last.indexOf(".");
  return stop < 0 ? "" : (listName(last.slice(stop + 1)) ?? "");
}

function notUnderstood(because: NotUnderstood): ListLine {
  return { kind: "not understood", because };
}
