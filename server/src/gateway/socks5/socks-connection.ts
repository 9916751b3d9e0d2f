import type { Socket } from "node:net";
import { ProxyError, proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import type { Identity } from "../authenticator.ts";
import type { ClientConnection, GatewayContext } from "../context.ts";
import { failFlow } from "../flow-opener.ts";
import { runTunnel } from "../tunnel.ts";
import { type Reader, readConnectRequest, readGreeting, readLogin, reply, VERSION } from "./messages.ts";

const USERNAME_PASSWORD = 0x02;
const NO_ACCEPTABLE_METHOD = 0xff;
const LOGIN_VERSION = 1;
/** The longest message is a login: 3 + 255 + 255 bytes; what is behind it waits in the socket. */
const MAX_WAITING_BYTES = 65_536;
/** How long a refused client may take to read why. */
const LINGER_MS = 2_000;

type Stage = "greeting" | "login" | "request" | "opening" | "tunnel" | "closing";

/** A client that speaks SOCKS5 (RFC 1928, RFC 1929): CONNECT only, with user name and password always. */
export class SocksConnection implements ClientConnection {
  readonly #socket: Socket;
  readonly #context: GatewayContext;
  readonly #client: string;
  #stage: Stage = "greeting";
  #waiting: Buffer = Buffer.alloc(0);
  #identity: Identity | undefined;
  #deadline: number;

  constructor(socket: Socket, client: string, context: GatewayContext) {
    this.#socket = socket;
    this.#client = client;
    this.#context = context;
    this.#deadline = context.now() + context.limits.headerMs;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
  }

  checkDeadline(now: number): void {
    if (this.#stage === "tunnel" || this.#stage === "opening" || now < this.#deadline) return;
    this.destroy();
  }

  drain(): void {
    if (this.#stage !== "opening" && this.#stage !== "tunnel") this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#stage === "closing") return;
    this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
    if (this.#stage === "opening") {
      if (this.#waiting.length > MAX_WAITING_BYTES) this.#socket.pause();
      return;
    }
    this.#advance();
  };

  readonly #onEnd = (): void => {
    if (this.#stage !== "opening" && this.#stage !== "tunnel") this.destroy();
  };

  #advance(): void {
    try {
      if (this.#stage === "greeting") this.#greet();
      if (this.#stage === "login") this.#logIn();
      if (this.#stage === "request") this.#request();
    } catch (error) {
      this.#refuse(proxyErrorOf(error));
    }
  }

  #take<Message>(read: Reader<Message>): Message | undefined {
    const found = read(this.#waiting);
    if (found === undefined) return undefined;
    this.#waiting = this.#waiting.subarray(found.used);
    return found.message;
  }

  #greet(): void {
    const greeting = this.#take(readGreeting);
    if (greeting === undefined) return;
    if (greeting.methods.includes(USERNAME_PASSWORD)) {
      this.#socket.write(Buffer.from([VERSION, USERNAME_PASSWORD]));
      this.#stage = "login";
    } else {
      this.#finish(Buffer.from([VERSION, NO_ACCEPTABLE_METHOD]));
    }
  }

  #logIn(): void {
    const login = this.#take(readLogin);
    if (login === undefined) return;
    const answer = this.#context.authenticator.fromLogin(login.username, login.password, this.#client);
    if (answer instanceof Promise) this.#awaitIdentity(answer);
    else this.#welcome(answer);
  }

  #awaitIdentity(answer: Promise<Identity>): void {
    this.#stage = "opening";
    answer.then(
      (identity) => {
        this.#welcome(identity);
        this.#advance();
      },
      (error) => {
        this.#stage = "login";
        this.#refuse(proxyErrorOf(error));
      },
    );
  }

  #welcome(identity: Identity): void {
    this.#identity = identity;
    this.#socket.write(Buffer.from([LOGIN_VERSION, 0]));
    this.#stage = "request";
  }

  #request(): void {
    const target = this.#take(readConnectRequest);
    if (target === undefined || this.#identity === undefined) return;
    this.#stage = "opening";
    this.#open(this.#identity, target).catch((error) => this.#refuse(proxyErrorOf(error)));
  }

  async #open(identity: Identity, target: { host: string; port: number }): Promise<void> {
    const { opener, limits } = this.#context;
    const admitted = await opener.admit(identity, { protocol: "socks5", client: this.#client, ...target });
    const upstream = await opener.dial(admitted);
    const { flow } = admitted;
    if (this.#socket.destroyed || flow.end) {
      upstream.destroy();
      failFlow(flow, new ProxyError("connection_terminated", "The client gave up."));
      if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
      return;
    }
    this.#stage = "tunnel";
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#socket.pause();
    this.#socket.write(reply(0, { address: upstream.localAddress ?? "", port: upstream.localPort ?? 0 }));
    if (this.#waiting.length > 0) this.#socket.unshift(this.#waiting);
    runTunnel(flow, this.#socket, upstream, { idleMs: limits.idleMs, ended: () => {} });
  }

  /** The stage decides in which of the two ways the protocol can say no. */
  #refuse(error: ProxyError): void {
    if (error.code === "internal") this.#context.logger.error({ err: error.cause ?? error }, "socks5 failed");
    if (this.#stage === "greeting") this.destroy();
    else if (this.#stage === "login") this.#finish(Buffer.from([LOGIN_VERSION, 1]));
    else this.#finish(reply(socksReplyOf(error)));
  }

  #finish(lastWords: Buffer): void {
    this.#stage = "closing";
    this.#waiting = Buffer.alloc(0);
    this.#deadline = this.#context.now() + LINGER_MS;
    this.#socket.end(lastWords);
    this.#socket.resume();
    this.#socket.once("end", () => this.#socket.destroySoon());
  }
}

function socksReplyOf({ code }: ProxyError): number {
  const { socks } = proxyErrors[code];
  return socks === "authentication" ? 1 : socks;
}
