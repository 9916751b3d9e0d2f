import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { DialError } from "@atlantic/native";

export interface LegOptions {
  readonly idleMs: number;
  readonly halfOpenIdleMs: number;
  onDialled(): void;
  onFailed(error: DialError): void;
  onClosed(): void;
}

export interface Leg {
  /** Resets the client, whatever it is doing. */
  abandon(): void;
}

/**
 * Carries a client's bytes to a stream that has no descriptor of its own, and back: each half by itself, the slower side
 * holding the faster one back. Whatever breaks, the client sees a reset.
 */
export function relayLeg(
  client: Socket,
  open: (signal: AbortSignal) => Promise<Duplex>,
  options: LegOptions,
): Leg {
  const dialling = new AbortController();
  let remote: Duplex | undefined;
  let over = false;

  const finish = (): void => {
    if (over) return;
    over = true;
    dialling.abort();
    options.onClosed();
  };
  const abandon = (): void => {
    if (!client.destroyed) client.resetAndDestroy();
    remote?.destroy();
    finish();
  };
  client.on("error", abandon);
  client.on("close", () => {
    if (remote && !remote.readableEnded) remote.destroy();
    finish();
  });
  client.on("timeout", abandon);

  open(dialling.signal).then(
    (stream) => {
      remote = stream;
      stream.on("error", abandon);
      stream.on("close", () => {
        if (!stream.readableEnded) abandon();
      });
      if (over) return void stream.destroy();
      options.onDialled();
      client.setTimeout(options.idleMs);
      const half = (): void => void client.setTimeout(options.halfOpenIdleMs);
      client.on("end", half);
      stream.on("end", half);
      client.pipe(stream);
      stream.pipe(client);
    },
    (error: unknown) => {
      if (!over)
        options.onFailed(error instanceof DialError ? error : new DialError("internal", String(error)));
      abandon();
    },
  );
  return { abandon };
}
