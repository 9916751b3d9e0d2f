import { type ClientHttp2Session, connect, constants } from "node:http2";
import { Agent, request } from "node:https";
import type { Socket } from "node:net";
import { connect as secure, type TLSSocket } from "node:tls";
import type { DialTarget } from "../../upstream/dialing-agent.ts";
import type { DohServer } from "../resolver.ts";

const MESSAGE = "application/dns-message";
const MAX_BYTES = 65_535;
/** A session that carried nothing for so long is closed: it would only tell the server how long the machine was on. */
const IDLE_MS = 60_000;
const CONNECT_MS = 10_000;

export interface DohOptions {
  readonly server: DohServer;
  readonly dial: DialTarget;
  /** Certificates of authorities to trust instead of the runtime's; PEM. */
  readonly authorities?: readonly string[] | undefined;
}

export interface DohAnswer {
  readonly message: Buffer;
  /** Seconds that caches on the way have held it (RFC 8484, 5.1). */
  readonly age: number;
}

/** Asks one server over HTTP/2, or over HTTP/1.1 where it has no other. Keeps its connection while it is used. */
export class DohClient {
  readonly #options: DohOptions;
  readonly #url: URL;
  #session: Promise<Session> | null = null;

  constructor(options: DohOptions) {
    this.#options = options;
    this.#url = new URL(options.server.url);
  }

  /** @throws Error when no answer came; what went wrong is its message */
  async ask(message: Buffer, signal: AbortSignal): Promise<DohAnswer> {
    const held = this.#session;
    const session = await this.#open();
    try {
      return await session.ask(message, signal);
    } catch (error) {
      if (held === null || signal.aborted || !session.isOver()) throw error;
      // The server had closed a connection that was idle: that is no failure of its.
      return (await this.#open()).ask(message, signal);
    }
  }

  close(): void {
    const session = this.#session;
    this.#session = null;
    session?.then(
      (open) => open.close(),
      () => {},
    );
  }

  async #open(): Promise<Session> {
    const held = this.#session;
    const session = await held?.catch(() => undefined);
    if (session && !session.isOver()) return session;
    session?.close();
    // Another one may have begun while this one waited.
    if (this.#session === held) this.#session = null;
    this.#session ??= this.#connect();
    return this.#session;
  }

  async #connect(): Promise<Session> {
    const port = Number(this.#url.port || 443);
    const host = this.#url.hostname.replace(/^\[|\]$/g, "");
    const socket = await this.#options.dial({ host, port });
    const tls = await shakeHands(socket, host, this.#options.authorities);
    return tls.alpnProtocol === "h2" ? new Http2Session(tls, this.#url) : new Http1Session(tls, this.#url);
  }
}

function shakeHands(
  socket: Socket,
  host: string,
  authorities: readonly string[] | undefined,
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const tls = secure({
    socket,
    host,
    ALPNProtocols: ["h2", "http/1.1"],
    minVersion: "TLSv1.2",
    ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
    ...(authorities && { ca: [...authorities] }),
  });
  const timer = setTimeout(() => tls.destroy(new Error("The TLS handshake took too long.")), CONNECT_MS);
  tls.once("secureConnect", () => resolve(tls));
  tls.once("error", reject);
  tls.once("close", () => reject(new Error("The connection ended in the TLS handshake.")));
  return promise.finally(() => clearTimeout(timer));
}

interface Session {
  ask(message: Buffer, signal: AbortSignal): Promise<DohAnswer>;
  isOver(): boolean;
  close(): void;
}

class Http2Session implements Session {
  readonly #session: ClientHttp2Session;
  readonly #path: string;
  #ended = false;

  constructor(tls: TLSSocket, url: URL) {
    this.#path = `${url.pathname}${url.search}`;
    this.#session = connect(url, { createConnection: () => tls });
    this.#session.setTimeout(IDLE_MS, () => this.close());
    this.#session.on("error", () => this.#over());
    this.#session.on("goaway", () => this.#over());
    this.#session.on("close", () => this.#over());
    this.#session.unref();
  }

  #over(): void {
    this.#ended = true;
  }

  isOver(): boolean {
    return this.#ended || this.#session.closed || this.#session.destroyed;
  }

  close(): void {
    this.#ended = true;
    this.#session.close();
    // Whoever still waits has a time limit of its own; a server that never ends its streams must not keep the session.
    setTimeout(() => this.#session.destroy(), 1_000).unref();
  }

  async ask(message: Buffer, signal: AbortSignal): Promise<DohAnswer> {
    const stream = this.#session.request(
      {
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: this.#path,
        "content-type": MESSAGE,
        accept: MESSAGE,
        "content-length": message.length,
      },
      { signal },
    );
    const head = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    stream.once("response", head.resolve);
    stream.once("error", head.reject);
    stream.once("close", () => head.reject(new Error("The server closed the stream without an answer.")));
    stream.end(message);
    const headers = await head.promise;
    const body = await collect(stream);
    return checked(Number(headers[constants.HTTP2_HEADER_STATUS]), headers, body);
  }
}

class Http1Session implements Session {
  readonly #agent: Agent;
  readonly #url: URL;
  readonly #tls: TLSSocket;

  constructor(tls: TLSSocket, url: URL) {
    this.#tls = tls;
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: IDLE_MS });
    this.#agent.createConnection = () => tls;
  }

  isOver(): boolean {
    return this.#tls.destroyed || !this.#tls.writable;
  }

  close(): void {
    this.#agent.destroy();
    this.#tls.destroy();
  }

  ask(message: Buffer, signal: AbortSignal): Promise<DohAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<DohAnswer>();
    const headers = { "content-type": MESSAGE, accept: MESSAGE, "content-length": message.length };
    const asked = request(this.#url, { method: "POST", agent: this.#agent, headers, signal }, (response) => {
      collect(response)
        .then((body) => checked(response.statusCode ?? 0, response.headers, body))
        .then(resolve, reject);
    });
    asked.once("error", reject);
    asked.end(message);
    return promise;
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream) {
    length += part.length;
    if (length > MAX_BYTES) throw new Error("The server's answer is larger than any DNS message.");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function checked(status: number, headers: Readonly<Record<string, unknown>>, message: Buffer): DohAnswer {
  if (status !== 200) throw new Error(`The server answered with HTTP status ${status}.`);
  if (headers["content-type"] !== MESSAGE)
    throw new Error("The server answered with something that is no DNS message.");
  const age = Number(headers.age ?? 0);
  return { message, age: Number.isSafeInteger(age) && age > 0 ? age : 0 };
}
