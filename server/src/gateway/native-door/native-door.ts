import { Socket } from "node:net";
import { type CarriedConnection, type CarrierDoor, type CarrierEngine, NOBODY } from "@atlantic/native";
import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { ClientConnections } from "../client-connections.ts";
import type { GatewayContext } from "../context.ts";
import { errorAnswer } from "../http/error-answer.ts";
import { firstByteSays } from "../protocol-sniffer.ts";
import { CarriedConnect, connectRequestIn } from "./carried-connect.ts";
import { CarriedSocks } from "./carried-socks.ts";
import { CarriedSocksRequest } from "./carried-socks-request.ts";
import { HALF_OPEN_IDLE_MS, LINGER_MS } from "./carried-tunnel.ts";
import { KnownLogins } from "./known-logins.ts";
import { StandingConnects } from "./standing-connects.ts";

export interface NativeDoorParts {
  readonly engine: CarrierEngine;
  readonly context: GatewayContext;
  /** Looks after clients that are not for the engine, as sockets. */
  readonly connections: ClientConnections;
}

/** What a carried client's handler needs of the door. */
export interface Door extends NativeDoorParts {
  /** Decides in advance about those who ask the same. */
  readonly standing: StandingConnects;
  readonly logins: KnownLogins;
  /** Gives the client to the other way, as a socket that says these bytes first. */
  handOver(client: CarriedConnection, said: Buffer): void;
  /** The client as a socket; when it closes before, `onGone` is called instead. */
  socketOf(client: CarriedConnection, onSocket: (socket: Socket) => void, onGone?: () => void): void;
}

/**
 * Accepts clients with the native engine. CONNECT and SOCKS5 are carried by it from here to the end; everything else
 * becomes a socket and goes the way that all clients go where there is no engine.
 */
export class NativeDoor implements Door {
  readonly engine: CarrierEngine;
  readonly context: GatewayContext;
  readonly connections: ClientConnections;
  readonly #listener: CarrierDoor;
  readonly standing: StandingConnects;
  readonly logins: KnownLogins;

  /** @throws the listen error, EADDRINUSE among them */
  constructor(parts: NativeDoorParts, where: { host: string; port: number; reusePort: boolean }) {
    this.engine = parts.engine;
    this.context = parts.context;
    this.connections = parts.connections;
    const { headerMs, silentClients } = parts.context.limits;
    this.#listener = parts.engine.listen({
      ...where,
      headerMs,
      maxSilent: silentClients,
      greets: true,
      onClient: (client, first, answered) => this.#welcome(client, first, answered),
      onStood: (client, standing, requestId, early) => this.#goOn(client, standing, requestId, early),
    });
    const { connectMs, idleMs } = parts.context.limits;
    this.logins = new KnownLogins(this.#listener);
    this.standing = new StandingConnects(this.#listener, {
      connectMs,
      idleMs,
      halfOpenIdleMs: HALF_OPEN_IDLE_MS,
    });
  }

  get address(): string {
    return this.#listener.address;
  }

  get port(): number {
    return this.#listener.port;
  }

  /** What was decided in advance may not hold any more. */
  decideAnew(): void {
    this.standing.withdraw();
    this.logins.withdraw();
  }

  /** Accepts nobody any more. */
  stop(): void {
    this.#listener.stop();
  }

  #welcome(client: CarriedConnection, first: Buffer, answered: number): void {
    const kind = firstByteSays(first[0]);
    if (kind === "socks5" && !this.#mayCome(client)) return;
    if (kind === "socks5") new CarriedSocks(this, client, answered).onData(first);
    else if (kind === "http") this.#welcomeHttp(client, first);
    else this.#refuse(client, kind);
  }

  #welcomeHttp(client: CarriedConnection, first: Buffer): void {
    const found = connectRequestIn(first);
    if (found === undefined) this.handOver(client, Buffer.from(first));
    else if (this.#mayCome(client)) {
      const { asked, used, again } = found;
      const head = again ? Buffer.from(first.subarray(0, used)) : undefined;
      new CarriedConnect(this, client, { asked, head, early: Buffer.from(first.subarray(used)) }).open();
    }
  }

  /** The engine carries it already; whether it may is looked at now. */
  #goOn(client: CarriedConnection, standing: number, requestId: string, early: Buffer): void {
    const decision = this.standing.used(standing);
    if (this.connections.isDestroyed || decision === undefined) {
      client.cut();
      return;
    }
    if (!this.#mayCome(client)) {
      this.standing.withdraw();
      // What nobody pays for may be moved by others.
      client.listen({
        ...NOBODY,
        onClosed: (_outcome, totals) => {
          decision.limits.allowance.add(totals.sentBytes + totals.receivedBytes);
        },
      });
      return;
    }
    const { asked, head } = decision;
    const begun = { ...decision, requestId };
    if (asked.protocol === "connect") new CarriedConnect(this, client, { asked, head, early, begun }).open();
    else {
      const said = { target: asked, again: { asked, head }, early, begun };
      new CarriedSocksRequest(this, client, said).open(asked.login);
    }
  }

  /** Whether the client's address has not too many connections. Those that become sockets are asked about there. */
  #mayCome(client: CarriedConnection): boolean {
    const { guard } = this.context;
    if (!guard.accept(client.address)) {
      client.cut();
      return false;
    }
    client.onEnd(() => guard.closed(client.address));
    return true;
  }

  #refuse(client: CarriedConnection, error: ProxyError): void {
    this.context.told(error);
    const answer = errorAnswer(error, { requestId: "-", close: true, head: false });
    client.refuse(Buffer.from(answer), LINGER_MS);
  }

  handOver(client: CarriedConnection, said: Buffer): void {
    this.socketOf(client, (socket) => {
      this.connections.accept(socket, client.address, this.context);
      if (said.length > 0) socket.emit("data", said);
    });
  }

  socketOf(
    client: CarriedConnection,
    onSocket: (socket: Socket) => void,
    onGone: () => void = () => {},
  ): void {
    client.listen({
      onData: () => {},
      onDialled: () => {},
      onFailed: () => {},
      onClosed: onGone,
      onTaken: (fd) => {
        const socket = new Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
        // Stays for the socket's life: an error between two owners must not end the process.
        socket.on("error", () => {});
        onSocket(socket);
      },
    });
    client.take();
  }
}
