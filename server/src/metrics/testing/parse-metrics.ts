/** One line of a scrape. */
export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A scrape as its readers see it. */
export interface ReadMetrics {
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  readonly samples: readonly ReadSample[];
  /** The sum of all samples of a name that have these labels. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];

/**
 * Reads Prometheus' text format 0.0.4 by its rules, and strictly: written from the format's page alone, for tests.
 * @throws Error that names the line: for one that is not in the grammar, a family that is not in one piece, HELP or
 *   TYPE that come twice or behind a sample, a sample without a type, and a series that is there twice
 */
export function parseMetrics(text: string): ReadMetrics {
  if (text !== "" && !text.endsWith("\n")) throw new Error("The last line does not end with a line feed.");
  const reader = new Reader();
  for (const line of text.split("\n").slice(0, -1)) reader.take(line);
  const { types, helps, samples } = reader;
  return {
    types,
    helps,
    samples,
    sum: (name, labels = {}) =>
      samples
        .filter((one) => one.name === name)
        .filter((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value))
        .reduce((sum, { value }) => sum + value, 0),
  };
}

class Reader {
  readonly types = new Map<string, string>();
  readonly helps = new Map<string, string>();
  readonly samples: ReadSample[] = [];
  readonly #series = new Set<string>();
  readonly #done = new Set<string>();
  #family = "";

  take(line: string): void {
    const meta = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/s.exec(line);
    if (meta) this.#meta(line, meta[1] ?? "", meta[2] ?? "", meta[3] ?? "");
    else this.#sample(line);
  }

  #meta(line: string, kind: string, name: string, rest: string): void {
    this.#enter(name, line);
    const known = kind === "HELP" ? this.helps : this.types;
    if (known.has(name)) throw new Error(`${kind} of ${name} comes twice.`);
    if (this.samples.some((one) => this.#familyOf(one.name) === name)) throw new Error(`Too late: ${line}`);
    if (kind === "TYPE" && !TYPES.includes(rest)) throw new Error(`No type: ${line}`);
    known.set(name, kind === "HELP" ? unescaped(rest, /\\(\\|n)/g, line) : rest);
  }

  #sample(line: string): void {
    const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s.exec(line);
    if (!match) throw new Error(`No sample: ${line}`);
    const [, name = "", labelText = "", valueText = ""] = match;
    const family = this.#familyOf(name);
    this.#enter(family, line);
    if (!this.types.has(family)) throw new Error(`No type for ${line}`);
    const labels = readLabels(labelText, line);
    const series = JSON.stringify([name, Object.entries(labels).sort()]);
    if (this.#series.has(series)) throw new Error(`There twice: ${line}`);
    this.#series.add(series);
    this.samples.push({ name, labels, value: readNumber(valueText, line) });
  }

  #familyOf(name: string): string {
    const base = name.replace(/_(bucket|sum|count)$/, "");
    return this.types.get(base) === "histogram" ? base : name;
  }

  /** All lines of a family are one group. */
  #enter(family: string, line: string): void {
    if (family === this.#family) return;
    if (this.#done.has(family)) throw new Error(`Not in one group: ${line}`);
    this.#done.add(this.#family);
    this.#family = family;
  }
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== "") {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(,|$)/s.exec(rest);
    if (!match) throw new Error(`No labels: ${line}`);
    const [whole, name = "", value = ""] = match;
    if (Object.hasOwn(labels, name)) throw new Error(`A label twice: ${line}`);
    labels[name] = unescaped(value, /\\(\\|n|")/g, line);
    rest = rest.slice(whole.length);
  }
  return labels;
}

function unescaped(text: string, known: RegExp, line: string): string {
  if (text.replace(known, "").includes("\\")) throw new Error(`No such escape: ${line}`);
  return text.replace(known, (_, sign: string) => (sign === "n" ? "\n" : sign));
}

function readNumber(text: string, line: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  if (text === "NaN") return Number.NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw new Error(`No number: ${line}`);
  return Number(text);
}
