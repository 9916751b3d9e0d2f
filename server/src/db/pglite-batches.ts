import { type PGlite, parse, protocol } from "@electric-sql/pglite";
import type { Statement } from "./statement-batch.ts";
import { pgliteParsers } from "./value-parsers.ts";

/** Runs batches of prepared statements on a PGlite: its own `query` asks and parses anew each time. */
export class PgliteBatches {
  readonly #pglite: PGlite;
  readonly #known = new Set<string>();

  constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  /** @returns the rows of each; @throws the error of the first that fails, none after which has run */
  async run(statements: readonly Statement[]): Promise<{ rows: unknown[][] }> {
    const { serialize } = protocol;
    const fresh = new Map(
      statements.filter(({ name }) => !this.#known.has(name)).map((one) => [one.name, one]),
    );
    const messages = [...fresh.values()].flatMap(({ name, text }) => [
      // A batch that failed may have prepared it: closing what is not there is no error.
      serialize.close({ type: "S", name }),
      serialize.parse({ name, text }),
    ]);
    for (const { name, values } of statements) {
      messages.push(
        serialize.bind({ statement: name, values: [...values] }),
        serialize.describe({ type: "P" }),
        serialize.execute({}),
      );
    }
    messages.push(serialize.sync());
    const answer = await this.#pglite.execProtocol(joined(messages), { throwOnError: true });
    for (const name of fresh.keys()) this.#known.add(name);
    const results = parse.parseResults(answer.messages, pgliteParsers);
    return { rows: results.map(({ rows }) => rows as unknown[]) };
  }
}

function joined(messages: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(messages.reduce((bytes, { length }) => bytes + length, 0));
  let at = 0;
  for (const message of messages) {
    all.set(message, at);
    at += message.length;
  }
  return all;
}
