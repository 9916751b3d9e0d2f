import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import type { PgliteAnswer, PgliteRequest, PgliteStart } from "./pglite-messages.ts";
import { BEGIN, COMMIT, type Statement, StatementBatch } from "./statement-batch.ts";

/** A statement's outcome, as PGlite gives it. */
interface PgliteResult<Row> {
  readonly rows: Row[];
  readonly affectedRows?: number;
  readonly fields: { name: string; dataTypeID: number }[];
  readonly command?: string;
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

type NewRequest = PgliteRequest extends infer Request
  ? Request extends PgliteRequest
    ? Omit<Request, "id">
    : never
  : never;

/** Of the browser's library, which the types of Node leave out. */
declare const WebAssembly: { compile(program: Uint8Array): Promise<object> };

/** Compiled once for all threads of the process: a second database opens in half the time. */
let compiled: Promise<object> | undefined;

async function compile(): Promise<object> {
  const file = createRequire(import.meta.url).resolve("@electric-sql/pglite/pglite.wasm");
  return WebAssembly.compile(new Uint8Array(await readFile(file)));
}

/** Postgres's code of a transaction that failed before its end. */
const ABORTED = "25P02";

/** PGlite in a thread of its own, with the part of its interface that Kysely and we use. */
export class ThreadedPglite {
  readonly ready = true;
  readonly waitReady = Promise.resolve();
  closed = false;
  readonly #thread: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, Set<(payload: string) => void>>();
  #nextId = 1;
  #gone: Error | undefined;
  /** Whoever is not in the transaction that runs waits for its end. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(thread: Worker) {
    this.#thread = thread;
    thread.on("message", (answer: PgliteAnswer) => this.#take(answer));
    thread.on("error", (error) => this.#end(error instanceof Error ? error : new Error(String(error))));
    thread.on("exit", () => this.#end(new Error("The database's thread has ended.")));
  }

  /** @throws PGlite's error when it cannot open the directory */
  static async open(start: Omit<PgliteStart, "program">): Promise<ThreadedPglite> {
    compiled ??= compile();
    const thread = new Worker(new URL("./pglite-thread.ts", import.meta.url), {
      workerData: { ...start, program: await compiled } satisfies PgliteStart,
      name: "pglite",
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    await once(thread, "message");
    return new ThreadedPglite(thread);
  }

  query<Row>(text: string | StatementBatch, values: readonly unknown[] = []): Promise<PgliteResult<Row>> {
    return this.#alone(async () => {
      if (text instanceof StatementBatch) return (await this.#runBatch(text, false)) as PgliteResult<Row>;
      return this.#query<Row>(text, values, false);
    });
  }

  /** Several statements, or one with values; int8 as text. */
  runRaw(text: string, values: readonly unknown[]): Promise<{ rows: unknown[] }> {
    return this.#alone(async () => {
      if (values.length > 0) return this.#query(text, values, true);
      const request: NewRequest = { kind: "exec", text, int8AsText: true };
      const results = await this.#ask<PgliteResult<unknown>[]>(request).catch(async (error: unknown) => {
        // A transaction that failed half-way would hold the only connection.
        await this.#exec("rollback");
        throw error;
      });
      return { rows: results.flatMap((result) => result.rows) };
    });
  }

  /** Runs `use` in a transaction, which is rolled back when it throws. */
  transaction<Result>(
    use: (transaction: {
      query<Row>(text: string, values?: readonly unknown[]): Promise<PgliteResult<Row>>;
      rollback(): Promise<void>;
    }) => Promise<Result>,
  ): Promise<Result> {
    return this.#alone(async () => {
      // It begins with its first statement, and ends with its last where that is said to be the last.
      let state = "to begin" as "to begin" | "begun" | "over";
      const query = async <Row>(text: string | StatementBatch, values: readonly unknown[] = []) => {
        const begins = state === "to begin";
        state = "begun";
        if (text instanceof StatementBatch) {
          const result = await this.#runBatch(text, begins);
          if (text.thenCommit) state = "over";
          return result as PgliteResult<Row>;
        }
        if (begins) await this.#exec(BEGIN.text);
        return this.#query<Row>(text, values, false);
      };
      const rollback = async () => {
        if (state === "begun") await this.#exec("rollback");
        state = "over";
      };
      try {
        const result = await use({ query, rollback });
        if (state === "begun") {
          state = "over";
          await this.#commit();
        }
        return result;
      } catch (error) {
        await rollback();
        throw error;
      }
    });
  }

  /** Postgres answers the commit of a transaction that failed with a rollback, and does not call it an error. */
  async #commit(): Promise<void> {
    const [result] = await this.#exec("commit");
    if (result?.command !== "ROLLBACK") return;
    throw Object.assign(new Error("The transaction had failed and was rolled back."), { code: ABORTED });
  }

  /** Calls the listener with each notification on a channel (NOTIFY); the returned function stops that. */
  async listen(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    if (listeners.size === 1) await this.#alone(() => this.#ask({ kind: "listen", channel }));
    return async () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.closed) return;
      await this.#alone(() => this.#ask({ kind: "unlisten", channel }));
    };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.#turn.catch(() => {});
    await this.#ask({ kind: "close" }).finally(() => this.#thread.terminate());
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => {});
    return result;
  }

  #exec(text: string): Promise<PgliteResult<unknown>[]> {
    return this.#ask({ kind: "exec", text, int8AsText: false });
  }

  /** @returns as rows the rows of each statement */
  async #runBatch(
    { statements, thenCommit }: StatementBatch,
    begins: boolean,
  ): Promise<PgliteResult<unknown>> {
    const before: Statement[] = begins ? [BEGIN] : [];
    const all = [...before, ...statements, ...(thenCommit ? [COMMIT] : [])];
    const { rows } = await this.#ask<{ rows: unknown[][] }>({ kind: "batch", statements: all });
    return { rows: rows.slice(before.length, before.length + statements.length), fields: [] };
  }

  #query<Row>(text: string, values: readonly unknown[], int8AsText: boolean): Promise<PgliteResult<Row>> {
    return this.#ask({ kind: "query", text, values, int8AsText });
  }

  #ask<Result>(request: NewRequest): Promise<Result> {
    if (this.#gone) return Promise.reject(this.#gone);
    const id = this.#nextId++;
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.#thread.postMessage({ ...request, id });
    });
  }

  #take(answer: PgliteAnswer): void {
    if (answer.kind === "ready") return;
    if (answer.kind === "notification") {
      for (const listener of this.#listeners.get(answer.channel) ?? []) listener(answer.payload);
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.kind === "done") waiting?.resolve(answer.result as never);
    else waiting?.reject(Object.assign(new Error(answer.error.message), answer.error.fields));
  }

  #end(error: Error): void {
    this.#gone ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
  }
}
