import { parseArgs } from "node:util";

export interface BenchArguments {
  readonly suites: readonly string[];
  /** Where the rows go as JSON; null for nowhere. */
  readonly json: string | null;
  readonly rounds: number;
  /** Only cases whose name has this in it, in suites that have cases; null for all. */
  readonly only: string | null;
  readonly help: boolean;
}

/**
 * Reads `[suite…] [--json FILE] [--rounds N] [--only TEXT]`.
 * @param usual the suites that run when none is named
 * @throws Error with a sentence for people
 */
export function readArguments(
  argv: readonly string[],
  known: readonly string[],
  usual: readonly string[] = known,
): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: "string" },
      rounds: { type: "string", default: "5" },
      only: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(`There is no suite "${unknown}". There are: ${known.join(", ")}.`);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds wants a whole number from 1 on.");
  const suites = positionals.length === 0 ? usual : positionals;
  return { suites, json: values.json ?? null, rounds, only: values.only ?? null, help: values.help };
}
