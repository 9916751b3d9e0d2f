import type { PostgresPool, PostgresQueryResult } from "kysely";
import pg, { type Connection, type Pool, type PoolClient, type QueryResult } from "pg";
import { serialize } from "pg-protocol";
import { BEGIN, COMMIT, type Statement, StatementBatch } from "./statement-batch.ts";

/** The pool as Kysely uses it, with clients that take a batch of statements where a text belongs. */
export function batchingPool(pool: Pool): PostgresPool {
  const clients = new WeakMap<PoolClient, BatchingClient>();
  return {
    async connect() {
      const client = await pool.connect();
      const known = clients.get(client) ?? new BatchingClient(client);
      clients.set(client, known);
      return known;
    },
    end: () => pool.end(),
    options: pool.options,
  } as unknown as PostgresPool;
}

const BEGUN: PostgresQueryResult<unknown> = { command: "SELECT", rowCount: 0, rows: [] };
const COMMITTED: PostgresQueryResult<unknown> = { command: "COMMIT", rowCount: 0, rows: [] };

/** A client that begins a transaction with the first batch in it and, when that is said, commits it with the last. */
class BatchingClient {
  readonly #client: PoolClient;
  /** Names that this connection has prepared for sure. */
  readonly #known = new Set<string>();
  #begins = false;
  #committed = false;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  async query(text: string | StatementBatch, values: unknown[]): Promise<unknown> {
    if (text instanceof StatementBatch) return this.#runBatch(text);
    if (text === "begin") {
      this.#begins = true;
      return BEGUN;
    }
    if (text === "commit" && this.#committed) {
      this.#committed = false;
      return COMMITTED;
    }
    if (this.#begins) await this.#client.query(BEGIN.text);
    this.#begins = false;
    return this.#client.query(text, values);
  }

  release(discard?: boolean): void {
    this.#begins = false;
    this.#committed = false;
    this.#client.release(discard);
  }

  async #runBatch({ statements, thenCommit }: StatementBatch): Promise<PostgresQueryResult<unknown>> {
    const before = this.#begins ? [BEGIN] : [];
    const all = [...before, ...statements, ...(thenCommit ? [COMMIT] : [])];
    this.#begins = false;
    const results = await new Promise<QueryResult | QueryResult[]>((resolve, reject) => {
      const done: Done = (error, found) => (error ? reject(error) : resolve(found));
      this.#client.query(new BatchQuery(all, this.#known, done));
    });
    for (const { name } of all) this.#known.add(name);
    this.#committed = thenCommit;
    const rows = [results].flat().map((result) => result.rows);
    return {
      command: "SELECT",
      rowCount: 0,
      rows: rows.slice(before.length, before.length + statements.length),
    };
  }
}

type Done = (error: Error | null, results: QueryResult | QueryResult[]) => void;

/**
 * Several prepared statements before one Sync (PostgreSQL, Frontend/Backend Protocol, 55.2.3 and 55.2.4): to the driver
 * that is one query with several results.
 */
class BatchQuery extends pg.Query {
  readonly #statements: readonly Statement[];
  /** Names that this connection has prepared for sure. */
  readonly #known: ReadonlySet<string>;

  constructor(statements: readonly Statement[], known: ReadonlySet<string>, done: Done) {
    super({ text: "" } as never, done as never);
    this.#statements = statements;
    this.#known = known;
  }

  override submit = ({ stream }: Connection): void => {
    const messages: Buffer[] = [];
    const sent = new Set<string>();
    for (const { name, text, values } of this.#statements) {
      if (!this.#known.has(name) && !sent.has(name)) {
        sent.add(name);
        // A batch that failed may have prepared it: closing what is not there is no error.
        messages.push(serialize.close({ type: "S", name }), serialize.parse({ name, text }));
      }
      messages.push(
        serialize.bind({ statement: name, values: values.map(asBuffer) }),
        serialize.describe({ type: "P" }),
        serialize.execute(),
      );
    }
    messages.push(serialize.sync());
    // In one write: a stream's work for each would be more than the message's.
    if (stream.writable) stream.write(Buffer.concat(messages));
  };
}

/** The driver sends a Buffer, and no other bytes, in binary. */
function asBuffer(value: string | Uint8Array | null): string | Buffer | null {
  if (value === null || typeof value === "string" || Buffer.isBuffer(value)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
