import { Socket } from "node:net";
import {
  carrierEngine,
  type ForwardBack,
  type ForwardEnd,
  type ForwardedConnection,
  type ForwardTotals,
  handleOfAllowance,
  handleOfRate,
  isBare,
} from "@atlantic/native";
import type { ClientConnection, GatewayContext } from "../context.ts";
import { IDENTITY_MS, type Standing } from "./standing.ts";
import { UpstreamConnection } from "./upstream-connection.ts";

/** Who goes on with what the engine gives back. */
export type GoOn = (
  back: ForwardBack,
  client: Socket,
  upstream: UpstreamConnection | undefined,
) => ClientConnection;

interface Parts {
  readonly context: GatewayContext;
  readonly standing: Standing;
  /** The client's address. */
  readonly client: string;
  readonly goOn: GoOn;
}

/**
 * A client whose plain exchanges the native engine forwards, for as long as its standing holds. What is unusual comes
 * back, and is done as everything is where there is no engine.
 */
export class NativeForwarding implements ClientConnection {
  readonly #parts: Parts;
  #connection: ForwardedConnection | undefined;
  #cutReason: string | undefined;
  #draining = false;
  #seenRequests = 0;
  #recalled = false;

  /** @returns whether the engine has taken the sockets; if not they are as before */
  static begin(parts: Parts, client: Socket, upstream: Socket): boolean {
    const forwarding = new NativeForwarding(parts);
    return forwarding.#start(client, upstream);
  }

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  #start(client: Socket, upstream: Socket): boolean {
    const { context, standing } = this.#parts;
    const { flow } = standing.admitted;
    const engine = context.native ? carrierEngine() : null;
    const allowance = handleOfAllowance(flow.limits.allowance);
    const rate = handleOfRate(flow.limits.rate);
    if (engine === null || allowance === undefined || rate === undefined) return false;
    const expiresAt = standing.admitted.session?.expiresAt;
    const { idleMs, keepAliveMs, bodyGraceMs } = context.limits;
    this.#connection = engine.forward(
      {
        client,
        upstream,
        authority: Buffer.from(standing.authority, "latin1"),
        ...(standing.authorization !== undefined && {
          authorization: Buffer.from(standing.authorization, "latin1"),
        }),
        allowance,
        rate,
        idleMs,
        keepAliveMs,
        bodyMs: bodyGraceMs,
        ...(expiresAt !== undefined && { livesMs: Math.max(0, expiresAt - Date.now()) }),
      },
      {
        onBack: (back) => this.#onBack(back),
        onEnded: (end, totals, idle) => this.#onEnded(end, totals, idle),
      },
    );
    const connection = this.#connection;
    if (connection === undefined) return false;
    flow.countWith(() => connection.totals());
    flow.onCut((reason) => {
      this.#cutReason ??= reason;
      connection.cut();
    });
    context.connections.add(this);
    return true;
  }

  /** What was decided holds for as long as it is looked at anew: see HttpConnection. */
  checkDeadline(): void {
    const { context, standing } = this.#parts;
    const requests = this.#connection?.totals().requests ?? 0;
    if (standing.epoch !== context.credentialEpoch()) this.#recall();
    else if (requests !== this.#seenRequests && context.now() - standing.checkedAt >= IDENTITY_MS) {
      this.#seenRequests = requests;
      standing.checkedAt = context.now();
      this.#checkIdentity();
    }
  }

  #checkIdentity(): void {
    const { context, standing, client } = this.#parts;
    const expected = standing.admitted.flow.record.credentialId;
    try {
      const answer = context.authenticator.fromHeader(standing.authorization, client);
      if (!(answer instanceof Promise)) {
        if (answer.credential.id !== expected) this.#recall();
        return;
      }
      answer.then(
        ({ credential }) => credential.id !== expected && this.#recall(),
        () => this.#recall(),
      );
    } catch {
      this.#recall();
    }
  }

  /** The next request is decided about anew. */
  #recall(): void {
    if (this.#recalled) return;
    this.#recalled = true;
    this.#parts.standing.checkedAt = Number.NEGATIVE_INFINITY;
    this.#connection?.recall();
  }

  drain(): void {
    this.#draining = true;
    this.#recall();
  }

  destroy(): void {
    this.#cutReason ??= "client_reset";
    this.#connection?.cut();
  }

  #onBack(back: ForwardBack): void {
    const { context, standing, goOn } = this.#parts;
    const { flow } = standing.admitted;
    flow.keep(back.totals);
    context.connections.delete(this);
    const client = socketOf(back.client);
    const upstream =
      back.upstream === undefined
        ? undefined
        : new UpstreamConnection(socketOf(back.upstream), standing.poolKey);
    if (upstream) upstream.answers = 1;
    if (this.#cutReason !== undefined || flow.end !== undefined) {
      client.resetAndDestroy();
      upstream?.socket.destroy();
      flow.finish(this.#cutReason ?? "ended");
      return;
    }
    const next = goOn(back, client, upstream);
    context.connections.add(next);
    client.once("close", () => context.connections.delete(next));
    if (this.#draining) next.drain();
  }

  #onEnded(end: ForwardEnd, totals: ForwardTotals, idle: number | undefined): void {
    const { context, standing } = this.#parts;
    const { flow } = standing.admitted;
    flow.keep(totals);
    context.connections.delete(this);
    if (idle !== undefined) {
      context.pool.give(new UpstreamConnection(socketOf(idle), standing.poolKey), context.now());
    }
    if (end === "cut") flow.finish(this.#cutReason ?? "client_reset");
    else flow.finish(end, end === "response_incomplete" || end === "bad_response");
  }
}

/** Whether exchanges of this standing are plain enough, and these sockets nothing but TCP connections. */
export function mayForwardNatively(standing: Standing, client: Socket, upstream: Socket): boolean {
  const { limits } = standing.admitted.flow;
  return (
    standing.options === "" &&
    limits.addedFields === undefined &&
    !limits.requests.isLimited &&
    isBare(client) &&
    isBare(upstream) &&
    client.readableLength === 0 &&
    upstream.readableLength === 0
  );
}

function socketOf(fd: number): Socket {
  const socket = new Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
  // Stays for the socket's life: an error between two owners must not end the process.
  socket.on("error", () => {});
  return socket;
}
