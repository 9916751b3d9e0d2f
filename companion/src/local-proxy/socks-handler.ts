import type { Socket } from "node:net";
import { proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import { checkAttribution, type Identified } from "./attribution-check.ts";
import { carryTunnel, type TunnelAnswers, type TunnelParts } from "./connect-handler.ts";
import { HeldSocket } from "./held-socket.ts";
import type { Target } from "./open-flows.ts";
import { readCredential } from "./proxy-credential.ts";
import {
  readGreeting,
  readLogin,
  readRequest,
  replyBytes,
  type SocksLogin,
  type SocksPart,
  socksReply,
} from "./socks-handshake.ts";

const HANDSHAKE_MS = 10_000;

/** The longest handshake: a login of 513 bytes and a request of 262, with room to spare. */
const MAX_HANDSHAKE_BYTES = 2_048;

/** SOCKS5: a browser that asks its extension for each request says at once whose it is. */
export class SocksHandler {
  readonly #parts: TunnelParts;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
  }

  async handle(socket: Socket): Promise<void> {
    const reader = new HandshakeReader(socket);
    if ((await reader.next(readGreeting)) === undefined) return;
    socket.write(Buffer.from([0x05, 0x02]));
    const login = await reader.next(readLogin);
    if (login === undefined) return;
    const found = await this.#identify(login, reader.signal);
    if (!found) return reader.refuse(Buffer.from([0x01, 0x01]));
    socket.write(Buffer.from([0x01, 0x00]));
    const target = await reader.next(readRequest);
    if (target === undefined) return;
    await this.#carry(reader, target, found);
  }

  async #identify(login: SocksLogin, signal: AbortSignal): Promise<Identified | undefined> {
    const credential = readCredential(login.username, login.password);
    if (!credential || credential.nonce !== undefined) return undefined;
    const browser = this.#parts.registry.bySecret(credential.proxySecret);
    return browser && checkAttribution(this.#parts.registry, browser, credential.attribution, signal);
  }

  /** The plan may have changed since the login. */
  async #carry(reader: HandshakeReader, target: Target, { browser, attribution }: Identified): Promise<void> {
    const found = await checkAttribution(this.#parts.registry, browser, attribution, AbortSignal.abort());
    if (!found) return reader.refuse(replyBytes(socksReply.notAllowed));
    await carryTunnel(this.#parts, new HeldSocket(...reader.release()), target, found, socksAnswers);
  }
}

const socksAnswers: TunnelAnswers = {
  granted: (socket) => void socket.write(replyBytes(socksReply.granted)),
  // What nobody reads would keep the socket from closing.
  refused: (socket, error) => void socket.resume().end(replyBytes(replyCode(error))),
};

/** `null`: the route says block. */
function replyCode(error: unknown): number {
  if (error === null) return socksReply.notAllowed;
  const { socks } = proxyErrors[proxyErrorOf(error).code];
  return typeof socks === "number" ? socks : socksReply.failed;
}

/** Takes the parts of a handshake off a socket, however they are cut. */
class HandshakeReader {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
    socket.on("data", this.#onData);
    socket.on("end", this.#onGone);
    socket.on("close", this.#onGone);
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** `undefined` when the client was refused, or has gone. */
  async next<Value>(read: (bytes: Buffer) => SocksPart<Value>): Promise<Value | undefined> {
    for (;;) {
      const part = read(this.#received);
      if (part.kind === "refused") return void this.refuse(part.answer);
      if (part.kind === "read") {
        this.#received = this.#received.subarray(part.used);
        return part.value;
      }
      if (this.#gone.signal.aborted || this.#received.length > MAX_HANDSHAKE_BYTES) {
        return void this.#socket.destroy();
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  refuse(answer: Buffer): void {
    this.release();
    this.#socket.resume();
    this.#socket.end(answer, () => this.#socket.destroySoon());
  }

  /** The socket, and what came behind the handshake. */
  release(): [Socket, Buffer] {
    clearTimeout(this.#timer);
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onGone);
    this.#socket.off("close", this.#onGone);
    this.#socket.pause();
    return [this.#socket, this.#received];
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#wake();
  };

  readonly #onGone = (): void => {
    this.#gone.abort();
    this.#wake();
  };
}
