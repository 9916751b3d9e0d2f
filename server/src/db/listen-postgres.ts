import type { ClientConfig } from "pg";

const RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;

/** What a listener is told. */
export interface NotificationListener {
  readonly message: (payload: string) => void;
  /** It was deaf for a while: what was told meanwhile is lost. */
  readonly gap: () => void;
}

/**
 * Listens to a channel on a connection of its own (LISTEN), and connects again whenever that breaks. The first
 * connection is there when this resolves. A server that went away without a word is noticed by a question that it does
 * not answer.
 *
 * @param config how to connect
 * @param silentMs how often it is asked, and how long it may take to answer, in milliseconds
 * @returns how to stop
 */
export async function listenPostgres(
  config: ClientConfig,
  channel: string,
  listener: NotificationListener,
  silentMs: number,
): Promise<() => Promise<void>> {
  const { Client } = (await import("pg")).default;
  let stopped = false;
  let current: InstanceType<typeof Client> | undefined;
  let waiting: NodeJS.Timeout | undefined;

  async function connect(): Promise<void> {
    const client = new Client({ ...config, query_timeout: silentMs });
    let ended = false;
    let asking: NodeJS.Timeout | undefined;
    const destroy = () => client.connection.stream.destroy();
    const onEnd = () => {
      if (ended) return;
      ended = true;
      clearInterval(asking);
      if (current === client) reconnect(RETRY_MS);
    };
    client.on("error", onEnd);
    client.on("end", onEnd);
    client.on("notification", ({ payload }) => listener.message(payload ?? ""));
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      destroy();
      throw error;
    }
    current = client;
    if (ended) reconnect(RETRY_MS);
    else if (stopped) destroy();
    else asking = setInterval(() => client.query("select 1").catch(destroy), silentMs).unref();
  }

  function reconnect(delayMs: number): void {
    current = undefined;
    if (stopped) return;
    waiting = setTimeout(() => {
      connect().then(listener.gap, () => reconnect(Math.min(MAX_RETRY_MS, delayMs * 2)));
    }, delayMs);
    waiting.unref();
  }

  await connect();
  return async () => {
    stopped = true;
    clearTimeout(waiting);
    await current?.end().catch(() => {});
  };
}
