import type { Socket } from "node:net";
import { proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import { checkAttribution, type Identified } from "./attribution-check.ts";
import { carryTunnel, type TunnelAnswers, type TunnelParts } from "./connect-handler.ts";
import { HandshakeReader } from "./handshake-reader.ts";
import { HeldSocket } from "./held-socket.ts";
import type { Target } from "./open-flows.ts";
import { readCredential } from "./proxy-credential.ts";
import {
  LOGIN,
  readGreeting,
  readLogin,
  readRequest,
  replyBytes,
  type SocksLogin,
  socksReply,
} from "./socks-handshake.ts";

/** SOCKS5: a browser that asks its extension for each request says at once whose it is. */
export class SocksHandler {
  readonly #parts: TunnelParts;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
  }

  async handle(socket: Socket): Promise<void> {
    const reader = new HandshakeReader(socket);
    if ((await reader.next((bytes) => readGreeting(bytes, LOGIN))) === undefined) return;
    socket.write(Buffer.from([0x05, LOGIN]));
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

export const socksAnswers: TunnelAnswers = {
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
