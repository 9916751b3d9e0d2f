import { Socket } from "node:net";
import type { ClientConfig, Pool, PoolClient } from "pg";

/** How often the connections are looked at, as a share of the silence that is allowed. */
const LOOKS = 5;

/**
 * Breaks connections of a pool whose server went away without a word: a machine that died, a network that parted, an
 * address translation that forgot. Nothing would end them, and whoever asked over them would wait for ever.
 *
 * How long a query takes says nothing. When an answer is awaited for `silentMs`, the server is asked over a new
 * connection whether it still works on it; the connection stays while it does, and is broken when the server knows
 * nothing of the query, or cannot be reached either.
 *
 * @param config how to connect
 * @returns how to stop
 */
export function breakSilentConnections(pool: Pool, config: ClientConfig, silentMs: number): () => void {
  const watched = new Set<WatchedConnection>();
  let looking = false;
  pool.on("connect", (client) => watched.add(new WatchedConnection(client)));
  pool.on("remove", (client) => {
    for (const one of watched) if (one.client === client) watched.delete(one);
  });

  async function look(): Promise<void> {
    const now = performance.now();
    const silent = [...watched].filter((one) => one.silentFor(now) >= silentMs);
    if (silent.length === 0) return;
    const working = await askWhatIsWorkedOn(config, silentMs, silent);
    const dead = silent.filter((one) => !working(one) && one.silentFor(performance.now()) >= silentMs);
    for (const one of dead) one.break();
    // Those that rest are most likely dead as well; new ones are cheap.
    if (dead.length > 0) for (const one of watched) if (one.rests) one.break();
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look().finally(() => {
      looking = false;
    });
  }, silentMs / LOOKS);
  timer.unref();
  return () => clearInterval(timer);
}

class WatchedConnection {
  readonly client: PoolClient;
  readonly #stream: PoolClient["connection"]["stream"];
  /** How much had been written when the server last said that it was ready for a query. */
  #writtenWhenReady: number;
  #written = 0;
  #read = 0;
  #heardAt = 0;

  constructor(client: PoolClient) {
    this.client = client;
    this.#stream = client.connection.stream;
    this.#writtenWhenReady = this.#bytes.written;
    // Before the driver hears it, which may write the next query at once.
    client.connection.prependListener("readyForQuery", () => {
      this.#writtenWhenReady = this.#bytes.written;
    });
  }

  get #bytes(): { written: number; read: number } {
    const stream = this.#stream;
    if (!(stream instanceof Socket)) return { written: 0, read: 0 };
    return { written: stream.bytesWritten, read: stream.bytesRead };
  }

  /** Whether no answer is awaited. */
  get rests(): boolean {
    return this.#bytes.written === this.#writtenWhenReady;
  }

  /** The server's number of this connection. */
  get processId(): number | undefined {
    const { client } = this;
    return "processID" in client && typeof client.processID === "number" ? client.processID : undefined;
  }

  /** For how many milliseconds an answer has been awaited without a byte of it; to be asked again and again. */
  silentFor(now: number): number {
    const { written, read } = this.#bytes;
    if (this.rests || written !== this.#written || read !== this.#read) this.#heardAt = now;
    this.#written = written;
    this.#read = read;
    return now - this.#heardAt;
  }

  break(): void {
    this.#stream.destroy(new Error("The database does not answer."));
  }
}

/** @returns which connections the server works for; all, when it answers without saying so (it starts, or is full) */
async function askWhatIsWorkedOn(
  config: ClientConfig,
  timeoutMs: number,
  silent: readonly WatchedConnection[],
): Promise<(one: WatchedConnection) => boolean> {
  const { Client, DatabaseError } = (await import("pg")).default;
  const client = new Client({ ...config, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  client.on("error", () => {});
  try {
    await client.connect();
    // A server that waits for us to take what it wrote waits in vain.
    const { rows } = await client.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where pid = any($1) and state in ('active', 'fastpath function call') and wait_event is distinct from 'ClientWrite'`,
      [silent.map((one) => one.processId)],
    );
    const working = new Set(rows.map(({ pid }) => pid));
    return ({ processId }) => processId !== undefined && working.has(processId);
  } catch (error) {
    const answered = error instanceof DatabaseError;
    return () => answered;
  } finally {
    client.connection.stream.destroy();
  }
}
