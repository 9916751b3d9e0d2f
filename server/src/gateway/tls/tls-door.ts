import { createHmac, randomBytes } from "node:crypto";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import type { ClientConnections } from "../client-connections.ts";
import type { GatewayContext } from "../context.ts";
import { Http2Connection } from "../http2/http2-connection.ts";
import { StreamTraffic } from "../http2/stream-traffic.ts";
import { type Certificate, type CertificateFiles, readCertificate } from "./certificate.ts";
import { CertificateWatch } from "./certificate-watch.ts";
import { HandshakeSlots } from "./handshake-slots.ts";
import { plainHttpAnswer } from "./plain-http-answer.ts";
import { openerOfLeg, TlsLeg } from "./tls-leg.ts";

/** Where the gateway speaks TLS, and with which certificate. */
export interface TlsDoorOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** Read again whenever they change. */
  readonly files: CertificateFiles;
  /** Secret: lets clients resume a session at any process that has it. Default: random for this process. */
  readonly ticketSecret?: Uint8Array;
  /** How often the certificate's files are looked at. Default: every 2 seconds. */
  readonly watchMs?: number;
}

interface Parts {
  readonly options: TlsDoorOptions;
  readonly context: GatewayContext;
  readonly connections: ClientConnections;
}

/** A TCP connection on which TLS has begun. */
interface Handshake {
  readonly wire: Socket;
  over(): void;
}

/** RFC 5077 §5.5: a key that stays for ever would open every recorded connection once it leaks. */
const TICKET_KEY_MS = 43_200_000;
const DAY_SECONDS = 86_400;

/**
 * The gateway's TLS port. After the handshake HTTP/1.1 and SOCKS5 go on as on the plain port; where the client chose
 * `h2` (RFC 7301), HTTP/2.
 */
export class TlsDoor {
  readonly #parts: Parts;
  readonly #slots = new HandshakeSlots();
  /** Accepts; the TLS server never listens itself, so that it only sees connections that may come in. */
  readonly #server: Server;
  readonly #tls: TlsServer;
  /** The TCP connections whose handshake is under way, by both ends' addresses. */
  readonly #handshakes = new Map<string, Handshake>();
  /** What the open connections cost. */
  readonly #legs = new Set<TlsLeg>();
  readonly #ticketSecret: Uint8Array;
  #watch: CertificateWatch | undefined;
  #ticketTimer: NodeJS.Timeout | undefined;
  #certificate: Certificate;
  port = 0;

  private constructor(parts: Parts, certificate: Certificate) {
    this.#parts = parts;
    this.#certificate = certificate;
    this.#ticketSecret = parts.options.ticketSecret ?? randomBytes(32);
    this.#tls = createTlsServer({
      ...secureOptions(certificate),
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: parts.context.limits.headerMs,
      sessionTimeout: DAY_SECONDS,
      allowHalfOpen: true,
      ticketKeys: this.#ticketKeys(),
    });
    this.#tls.on("tlsClientError", (error, socket) => this.#refuse(error, socket));
    this.#tls.on("secureConnection", (socket) => this.#onSecure(socket));
    this.#server = createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /**
   * Listens on the host of the plain port.
   * @throws CertificateError, or the listen error
   */
  static async open(
    parts: Parts,
    { host, reusePort }: { host: string; reusePort: boolean },
  ): Promise<TlsDoor> {
    const door = new TlsDoor(parts, await readCertificate(parts.options.files));
    door.port = await listen(door.#server, { host, port: parts.options.port, reusePort });
    door.#watch = await CertificateWatch.start(
      parts.options.files,
      {
        renewed: (renewed) => door.#renew(renewed),
        problem: (sentence) => parts.context.logger.error(sentence),
      },
      parts.options.watchMs,
    );
    door.#ticketTimer = setInterval(() => door.#tls.setTicketKeys(door.#ticketKeys()), TICKET_KEY_MS / 2);
    door.#ticketTimer.unref();
    return door;
  }

  /** SHA-256 of the certificate in use. */
  get fingerprint(): string {
    return this.#certificate.fingerprint;
  }

  #renew(certificate: Certificate): void {
    this.#certificate = certificate;
    this.#tls.setSecureContext(secureOptions(certificate));
    this.#tls.setTicketKeys(this.#ticketKeys());
    this.#parts.context.logger.info({ expiresAt: certificate.expiresAt }, "TLS certificate renewed");
  }

  /** The same at every process that has the secret, and another every half day. */
  #ticketKeys(): Buffer {
    const period = Math.floor(Date.now() / TICKET_KEY_MS);
    return createHmac("sha512", this.#ticketSecret).update(`tickets ${period}`).digest().subarray(0, 48);
  }

  #accept(socket: Socket): void {
    socket.on("error", ignore);
    const { remoteAddress: address } = socket;
    const { guard } = this.#parts.context;
    if (address === undefined || !guard.accept(address)) {
      socket.destroy();
      return;
    }
    socket.once("close", () => guard.closed(address));
    if (!this.#slots.take(address)) {
      socket.destroy();
      return;
    }
    const ends = endsOf(socket);
    const over = () => {
      if (this.#handshakes.delete(ends)) this.#slots.give(address);
    };
    this.#handshakes.set(ends, { wire: socket, over });
    socket.once("close", over);
    this.#tls.emit("connection", socket);
  }

  /** Node leaves it to us to end what never came to speak TLS. */
  #refuse(error: Error, socket: TLSSocket): void {
    const answer = plainHttpAnswer(error);
    // Past the TLS socket, which has failed; what is written to the connection below it goes out as it is.
    if (answer !== null) this.#handshakes.get(endsOf(socket))?.wire.end(answer);
    socket.destroy();
  }

  #onSecure(socket: TLSSocket): void {
    const handshake = this.#handshakes.get(endsOf(socket));
    const client = socket.remoteAddress;
    socket.on("error", ignore);
    if (handshake === undefined || client === undefined) {
      socket.destroy();
      return;
    }
    const { wire } = handshake;
    handshake.over();
    passResets(socket, wire);
    if (socket.alpnProtocol === "h2") this.#speakHttp2(socket, wire, client);
    else this.#speakPlainly(socket, wire, client);
  }

  #speakPlainly(socket: TLSSocket, wire: Socket, client: string): void {
    const { connections, context } = this.#parts;
    const leg = new TlsLeg({
      wire: () => wire.bytesRead + wire.bytesWritten,
      carried: () => socket.bytesRead + socket.bytesWritten,
    });
    this.#keep(leg, socket);
    connections.listen(socket, client, { ...context, opener: openerOfLeg(context.opener, leg) });
  }

  #speakHttp2(socket: TLSSocket, wire: Socket, client: string): void {
    const { connections, context } = this.#parts;
    // Streams have halves; the connection below them ends as a whole.
    socket.allowHalfOpen = false;
    const traffic = new StreamTraffic();
    const leg = new TlsLeg({
      wire: () => wire.bytesRead + wire.bytesWritten,
      carried: () => traffic.bytes,
    });
    this.#keep(leg, socket);
    const ofLeg = { ...context, opener: openerOfLeg(context.opener, leg) };
    const connection = new Http2Connection({ socket, client, context: ofLeg, leg, traffic }, (closed) =>
      connections.delete(closed),
    );
    connections.add(connection);
  }

  #keep(leg: TlsLeg, socket: TLSSocket): void {
    this.#legs.add(leg);
    socket.once("close", () => this.#legs.delete(leg));
  }

  /** Lets the flows bear what their connections have cost so far. Asked about once a second. */
  shareCosts(): void {
    for (const leg of this.#legs) leg.share();
  }

  /** Takes no more connections; those that shake hands go on. */
  stopListening(): void {
    this.#server.close();
    this.#watch?.close();
    clearInterval(this.#ticketTimer);
  }

  /** Ends what has not finished its handshake. */
  close(): void {
    this.stopListening();
    for (const { wire } of this.#handshakes.values()) wire.destroy();
  }
}

function secureOptions({ certificate, key }: Certificate) {
  return { cert: certificate, key, minVersion: "TLSv1.2" as const };
}

/** A TLS socket cannot send RST by itself: the connection below it can, which tells the client that something broke. */
function passResets(socket: TLSSocket, wire: Socket): void {
  socket.resetAndDestroy = () => {
    // While an end is under way the system refuses to reset, and Node would never close the connection.
    if (socket.writableEnded && !socket.writableFinished) wire.destroy();
    else if (!wire.destroyed) wire.resetAndDestroy();
    return socket.destroy();
  };
}

function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

function listen(
  server: Server,
  options: { host: string; port: number; reusePort: boolean },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...options, backlog: 1_024 }, () => {
      server.off("error", reject);
      server.on("error", ignore);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

function ignore(): void {}
