import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { parseRealm } from "@atlantic/shared/control/attribution.ts";

export interface ProxyAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Of a challenge that holds once. */
  readonly nonce: string | undefined;
  readonly realm: string | undefined;
}

/** One connection to a proxy, spoken to byte by byte as a browser does. */
export class ProxyConnection {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  readonly #changed = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on("error", () => {});
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  static async open(port: number): Promise<ProxyConnection> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const connection = new ProxyConnection(socket);
    await once(socket, "connect");
    return connection;
  }

  /** Sends a CONNECT; `undefined` when the connection was closed without an answer. */
  async connect(authority: string, authorization?: string): Promise<ProxyAnswer | undefined> {
    const login = authorization === undefined ? "" : `Proxy-Authorization: ${authorization}\r\n`;
    this.socket.write(
      `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Connection: keep-alive\r\n${login}\r\n`,
    );
    return this.answer();
  }

  /** The next answer's status line and header. */
  async answer(): Promise<ProxyAnswer | undefined> {
    const text = await this.#takeUntil("\r\n\r\n");
    if (text === undefined) return undefined;
    const [statusLine = "", ...lines] = text.split("\r\n");
    const headers = Object.fromEntries(
      lines
        .filter(Boolean)
        .map((line) => [
          line.slice(0, line.indexOf(":")).toLowerCase(),
          line.slice(line.indexOf(":") + 1).trim(),
        ]),
    );
    const realm = /realm="([^"]*)"/.exec(headers["proxy-authenticate"] ?? "")?.[1];
    const challenge = realm === undefined ? undefined : parseRealm(realm);
    return {
      status: Number(statusLine.split(" ")[1]),
      headers,
      realm,
      nonce: challenge?.kind === "once" ? challenge.nonce : undefined,
    };
  }

  /** The next line of what came, without its end. */
  async line(): Promise<string | undefined> {
    return (await this.#takeUntil("\n"))?.trimEnd();
  }

  /** The next bytes, as text. */
  async take(length: number): Promise<string> {
    while (this.#received.length < length && !this.#ended) await this.#change();
    const text = this.#received.toString("utf8", 0, length);
    this.#received = this.#received.subarray(length);
    return text;
  }

  /** All until the other side ends. */
  async rest(): Promise<string> {
    while (!this.#ended) await this.#change();
    return this.#received.toString();
  }

  /** Resolves when the other side has ended or cut the connection. */
  async ended(): Promise<void> {
    while (!this.#ended) await this.#change();
  }

  async #takeUntil(end: string): Promise<string | undefined> {
    for (;;) {
      const at = this.#received.indexOf(end);
      if (at >= 0) {
        const text = this.#received.toString("utf8", 0, at + end.length);
        this.#received = this.#received.subarray(at + end.length);
        return text;
      }
      if (this.#ended) return undefined;
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed.add(resolve);
    });
  }

  #wake(): void {
    for (const resolve of this.#changed) resolve();
    this.#changed.clear();
  }
}
