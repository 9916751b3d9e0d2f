import { type ExitSelector, type ExitSession, exitSelectorSchema, exitSessionSchema } from "./selector.ts";

/** What can be said about an exit and its session, one word each: in a user name or in a header. */
export type ExitPartName =
  | "country"
  | "continent"
  | "region"
  | "city"
  | "postalCode"
  | "asn"
  | "ispTier"
  | "pool"
  | "session"
  | "oneIpSession"
  | "minutes"
  | "mode";

/** A word as it was said. */
export interface Said {
  /** What the client called it, as in `cc` or `X-Atlantic-Country`. */
  readonly key: string;
  readonly value: string;
  /** Where it stands in the user name, in UTF-16 units; none for a header. */
  readonly start?: number;
  readonly end?: number;
}

export type SaidParts = ReadonlyMap<ExitPartName, Said>;

/** What is wrong with a wish. Names the part and what to do; safe to show, it holds no secret. */
export interface UsernameProblem {
  readonly problem: string;
  /** The part of the user name that is meant, in UTF-16 units: `text.slice(start, end)`. */
  readonly start?: number;
  readonly end?: number;
}

/** An exit and a session, as they were wished for. */
export interface ExitWish {
  readonly exit: ExitSelector;
  readonly session: ExitSession | undefined;
}

type ExitField = keyof ExitSelector;

const wanted: Readonly<Record<ExitPartName, string>> = {
  country: "a country of two letters, as in us, or up to 20 of them, as in us+de",
  continent: "a continent of two letters: af, an, as, eu, na, oc or sa",
  region: "a name in letters, digits and underscores, as in california",
  city: "a name in letters, digits and underscores, as in new_york",
  postalCode: "3 to 10 letters or digits, as in 10115",
  asn: "a number from 1 to 4294967295, as in 3320",
  ispTier: "a name in letters, digits and underscores, as in residential",
  pool: "the name of one of the operator's pools",
  session: "1 to 25 letters, digits or underscores",
  oneIpSession: "1 to 25 letters, digits or underscores",
  minutes: "minutes from 1 to 1440",
  mode: "flex, strict or oneip",
};

const exitParts = ["country", "continent", "region", "city", "postalCode", "asn", "ispTier", "pool"] as const;

/** Reads words into a wish, each by itself and then together. Never throws. */
export function readExitParts(said: SaidParts): ExitWish | UsernameProblem {
  const exit = readExit(said);
  if ("problem" in exit) return exit;
  const session = readSession(said);
  if (session && "problem" in session) return session;
  return { exit, session };
}

function readExit(said: SaidParts): ExitSelector | UsernameProblem {
  const exit: Partial<Record<ExitField, unknown>> = {};
  for (const part of exitParts) {
    const word = said.get(part);
    if (!word) continue;
    const [field, value] = fieldOf(part, word.value);
    if (!exitSelectorSchema.shape[field].safeParse(value).success) return unreadable(part, word);
    exit[field] = value;
  }
  return problemTogether(said) ?? exitSelectorSchema.parse(exit);
}

function fieldOf(part: (typeof exitParts)[number], text: string): [field: ExitField, value: unknown] {
  if (part === "asn") return [part, wholeNumber(text)];
  const value = text.toLowerCase();
  if (part !== "country" || !value.includes("+")) return [part, value];
  const countries = value.split("+");
  // One of them twice is a slip of the pen, not a wish.
  return ["countries", new Set(countries).size === countries.length ? countries : []];
}

function problemTogether(said: SaidParts): UsernameProblem | undefined {
  const country = said.get("country");
  const continent = said.get("continent");
  const narrow = said.get("region") ?? said.get("city") ?? said.get("postalCode");
  const city = said.get("city");
  if (country && continent) {
    return about(continent, `A country and a continent exclude each other. Keep "${country.key}".`);
  }
  if (narrow && !country) return about(narrow, `"${narrow.key}" needs a country. Add cc-xx, as in cc-us.`);
  if (narrow && country?.value.includes("+")) {
    return about(country, `"${narrow.key}" needs one country, not several. Keep one in "${country.key}".`);
  }
  if (city && said.has("postalCode")) {
    return about(city, "A postal code and a city exclude each other. Keep the postal code.");
  }
  return undefined;
}

function readSession(said: SaidParts): ExitSession | UsernameProblem | undefined {
  const plain = said.get("session");
  const oneIp = said.get("oneIpSession");
  const minutes = said.get("minutes");
  const mode = said.get("mode");
  if (plain && oneIp) {
    return about(oneIp, `"${plain.key}" and "${oneIp.key}" exclude each other. Keep one.`);
  }
  const id = plain ?? oneIp;
  if (!id) {
    const orphan = minutes ?? mode;
    return orphan && about(orphan, `"${orphan.key}" needs a session. Add a session id, or leave it out.`);
  }
  const { shape } = exitSessionSchema;
  if (!shape.id.safeParse(id.value).success) return unreadable("session", id);
  const lifetimeMinutes = minutes && wholeNumber(minutes.value);
  if (minutes && !shape.lifetimeMinutes.safeParse(lifetimeMinutes).success) {
    return unreadable("minutes", minutes);
  }
  const modeName = oneIp ? "oneip" : mode?.value.toLowerCase();
  if (mode && !shape.mode.safeParse(modeName).success) return unreadable("mode", mode);
  return exitSessionSchema.parse({ id: id.value, lifetimeMinutes, mode: modeName });
}

function wholeNumber(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}

function unreadable(part: ExitPartName, said: Said): UsernameProblem {
  const shownPair = said.start === undefined ? `${said.key}: ` : `${said.key}-`;
  const text = `"${shownPair}${shown(said.value)}" cannot be read. After ${said.key} comes ${wanted[part]}.`;
  return about(said, text);
}

/** A problem with a word, and where it stands. */
export function about({ start, end }: Said, problem: string): UsernameProblem {
  return start === undefined || end === undefined ? { problem } : { problem, start, end };
}

/** What a client sent, cut and made printable: it goes into errors and logs. */
export function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
}
