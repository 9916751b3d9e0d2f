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
 * connection is there when this resolves.
 *
 * @returns how to stop
 */
export async function listenPostgres(
  url: string,
  channel: string,
  listener: NotificationListener,
): Promise<() => Promise<void>> {
  const { Client } = (await import("pg")).default;
  let stopped = false;
  let current: InstanceType<typeof Client> | undefined;
  let waiting: NodeJS.Timeout | undefined;

  async function connect(): Promise<void> {
    const client = new Client({ connectionString: url, keepAlive: true, keepAliveInitialDelayMillis: 5_000 });
    let ended = false;
    const onEnd = () => {
      if (ended) return;
      ended = true;
      if (current === client) reconnect(RETRY_MS);
    };
    client.on("error", onEnd);
    client.on("end", onEnd);
    client.on("notification", ({ payload }) => listener.message(payload ?? ""));
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    current = client;
    if (ended) reconnect(RETRY_MS);
    else if (stopped) await client.end();
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
