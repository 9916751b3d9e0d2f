import type { Socket } from "node:net";
import { Gate } from "./gate.ts";
import type { Relay, RelayOptions, RelayOutcome } from "./relay.ts";

/** How long what was charged may take to arrive before the flow is cut. */
const FLUSH_MS = 2_000;
/** How long the system has to deliver what it was given: nothing tells JavaScript when the last byte has arrived. */
const DELIVERY_MS = 500;

/** The relay in JavaScript, for all sockets and systems. */
export function relayStreams(client: Socket, upstream: Socket, options: RelayOptions = {}): Relay {
  const { idleMs = 300_000, halfOpenIdleMs = 60_000 } = options;
  let sentBytes = 0;
  /** Sent ones, and those that the upstream's socket has not taken yet. */
  let handedBytes = 0;
  let receivedBytes = 0;
  let outcome: RelayOutcome = { kind: "ended" };
  let open = 2;
  let flushing = false;

  const closed = new Promise<RelayOutcome>((resolve) => {
    const onClose = () => {
      open -= 1;
      if (open > 0) return;
      if (handedBytes > sentBytes) options.limits?.allowance.add(handedBytes - sentBytes);
      options.signal?.removeEventListener("abort", onAbort);
      resolve(outcome);
    };
    whenClosed(client, onClose);
    whenClosed(upstream, onClose);
  });

  function cut(reason: RelayOutcome): void {
    // A lost upstream takes nothing from what is on its way to the client; anything else ends the wait.
    if (flushing && !(reason.kind === "reset" && reason.by === "upstream")) resetBoth();
    if (open === 0 || outcome.kind !== "ended") return;
    outcome = reason;
    resetBoth();
  }
  /** Reads no more, and cuts once what was charged has had time to arrive. */
  function cutFlushed(): void {
    if (open === 0 || outcome.kind !== "ended") return;
    outcome = { kind: "closed", reason: "quota_exhausted" };
    flushing = true;
    for (const socket of [client, upstream]) {
      socket.pause();
      socket.setTimeout(0);
    }
    const over = setTimeout(resetBoth, FLUSH_MS);
    const look = (): void => {
      if (client.writableLength + upstream.writableLength > 0) return;
      clearTimeout(over);
      setTimeout(resetBoth, DELIVERY_MS);
      client.off("drain", look);
      upstream.off("drain", look);
    };
    client.on("drain", look);
    upstream.on("drain", look);
    look();
  }
  function resetBoth(): void {
    reset(client);
    reset(upstream);
  }
  const onAbort = () => cut({ kind: "closed", reason: "aborted" });
  const lost = (by: "client" | "upstream") => () => cut({ kind: "reset", by });

  const send = (chunk: Buffer) => {
    handedBytes += chunk.length;
    const roomLeft = upstream.write(chunk, (error) => {
      if (!error) sentBytes += chunk.length;
    });
    if (!roomLeft) client.pause();
  };
  const receive = (chunk: Buffer) => {
    receivedBytes += chunk.length;
    if (!client.write(chunk)) upstream.pause();
  };
  const { limits } = options;
  const up = limits && new Gate({ limits, from: client, to: upstream, pass: send, refused: cutFlushed });
  const down = limits && new Gate({ limits, from: upstream, to: client, pass: receive, refused: cutFlushed });

  client.on("data", up?.onChunk ?? send);
  upstream.on("data", down?.onChunk ?? receive);
  upstream.on("drain", () => {
    if (!flushing && !up?.busy) client.resume();
  });
  client.on("drain", () => {
    if (!flushing && !down?.busy) upstream.resume();
  });
  // An end can come while its last bytes wait at the gate.
  const onClientEnd = () => {
    if (up?.busy) up.whenFree(() => endHalf(upstream, client));
    else endHalf(upstream, client);
  };
  client.on("end", onClientEnd);
  upstream.on("end", () => {
    if (down?.busy) down.whenFree(() => endHalf(client, upstream));
    else endHalf(client, upstream);
  });
  client.on("error", lost("client"));
  upstream.on("error", lost("upstream"));
  client.on("close", () => {
    if (upstream.destroyed) return;
    if (!client.readableEnded) cut({ kind: "reset", by: "client" });
    // The client's timer is gone with it, and what still waits for the upstream may never be read there.
    else upstream.setTimeout(halfOpenIdleMs, () => cut({ kind: "idle" }));
  });
  upstream.on("close", () => {
    if (!client.destroyed && !upstream.readableEnded) cut({ kind: "reset", by: "upstream" });
  });
  // Either direction touches the client's socket, so its timer alone tells when both are still.
  client.on("timeout", () => cut({ kind: "idle" }));
  client.setTimeout(idleMs);

  /** Passes a FIN on. When it is the second one and nothing waits, closing sends it as well and saves a system call. */
  function endHalf(other: Socket, from: Socket): void {
    if (flushing) return;
    if (other.readableEnded && other.writableLength === 0) {
      if (!from.writableEnded) from.end();
      other.destroy();
    } else {
      other.end();
      client.setTimeout(halfOpenIdleMs);
    }
  }

  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  if (client.destroyed) cut({ kind: "reset", by: "client" });
  if (upstream.destroyed) cut({ kind: "reset", by: "upstream" });
  if (options.early && options.early.length > 0) (up?.onChunk ?? send)(options.early);
  // Its FIN was read before there was a relay, and is not told again.
  if (client.readableEnded) onClientEnd();
  client.resume();
  upstream.resume();

  return {
    counters: () => ({ sentBytes, receivedBytes }),
    closed,
    close: (reason) => (reason === "quota_exhausted" ? cutFlushed() : cut({ kind: "closed", reason })),
  };
}

function whenClosed(socket: Socket, listener: () => void): void {
  if (socket.closed) listener();
  else socket.once("close", listener);
}

/**
 * RST where the socket can send one. A TLS socket can only be destroyed, unless whoever accepted it has given it a
 * reset of its own; and so can a socket whose FIN is under way: the system refuses to reset it, and Node would never
 * close it.
 */
function reset(socket: Socket): void {
  if (socket.destroyed) return;
  const ending = socket.writableEnded && !socket.writableFinished;
  const cannot = "encrypted" in socket && !Object.hasOwn(socket, "resetAndDestroy");
  if (ending || cannot) socket.destroy();
  else socket.resetAndDestroy();
}
