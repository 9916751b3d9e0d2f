import { Socket } from "node:net";
import { type CarriedConnection, NOBODY } from "./engine/carried-connection.ts";
import { carrierEngine, handleOfAllowance, handleOfRate } from "./engine/engine.ts";
import type { CarrierOutcome } from "./engine/protocol.ts";
import type { Relay, RelayOptions, RelayOutcome } from "./relay.ts";

const NOTHING: Buffer = Buffer.alloc(0);

/** The relay of the native engine; undefined when these sockets, or what holds their bytes back, are not for it. */
export function relayDescriptors(
  client: Socket,
  upstream: Socket,
  { signal, idleMs = 300_000, halfOpenIdleMs = 60_000, limits, early = NOTHING }: RelayOptions,
): Relay | undefined {
  if (signal?.aborted || !isBare(client) || !isBare(upstream)) return undefined;
  const engine = carrierEngine();
  const allowance = limits ? handleOfAllowance(limits.allowance) : 0;
  const rate = limits ? handleOfRate(limits.rate) : 0;
  if (engine === null || allowance === undefined || rate === undefined) return undefined;
  const unread = readAlready(client);
  const fromClient = early.length === 0 ? unread : Buffer.concat([early, unread]);
  const fromUpstream = readAlready(upstream);
  const options = { client, upstream, fromClient, fromUpstream, allowance, rate, idleMs, halfOpenIdleMs };
  const connection = engine.adopt(options);
  if (connection === undefined) {
    if (unread.length > 0) client.unshift(unread);
    if (fromUpstream.length > 0) upstream.unshift(fromUpstream);
    return undefined;
  }
  // The engine has descriptors of its own: closing these ends nothing.
  client.destroy();
  upstream.destroy();
  return watched(connection, signal);
}

/** A TCP connection and nothing else, of which everything written has been sent. */
export function isBare(socket: Socket): boolean {
  return (
    Object.getPrototypeOf(socket) === Socket.prototype &&
    !socket.destroyed &&
    !socket.connecting &&
    socket.writableLength === 0 &&
    !socket.writableEnded
  );
}

function readAlready(socket: Socket): Buffer {
  const read: unknown = socket.readableLength > 0 ? socket.read() : null;
  return Buffer.isBuffer(read) ? read : NOTHING;
}

function watched(connection: CarriedConnection, signal: AbortSignal | undefined): Relay {
  let why = "aborted";
  const close = (reason: string): void => {
    if (connection.isOver) return;
    why = reason;
    connection.cut({ whenFlushed: reason === "quota_exhausted" });
  };
  const onAbort = () => close("aborted");
  signal?.addEventListener("abort", onAbort, { once: true });
  const closed = new Promise<RelayOutcome>((resolve) => {
    connection.listen({
      ...NOBODY,
      onClosed: (outcome) => {
        signal?.removeEventListener("abort", onAbort);
        resolve(outcomeOf(outcome, why));
      },
    });
  });
  return { counters: () => connection.totals(), closed, close };
}

function outcomeOf(outcome: CarrierOutcome, why: string): RelayOutcome {
  switch (outcome) {
    case "client_reset":
      return { kind: "reset", by: "client" };
    case "upstream_reset":
      return { kind: "reset", by: "upstream" };
    case "idle":
      return { kind: "idle" };
    case "quota_exhausted":
      return { kind: "closed", reason: "quota_exhausted" };
    case "cut":
      return { kind: "closed", reason: why };
    default:
      return { kind: "ended" };
  }
}
