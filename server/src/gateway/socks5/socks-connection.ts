import type { Socket } from "node:net";
import { ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { Identity } from "../authenticator.ts";
import type { ClientConnection, GatewayContext } from "../context.ts";
import { failFlow } from "../flow-opener.ts";
import { runTunnel } from "../tunnel.ts";
import { openAssociation } from "../udp/association-connection.ts";
import { reply, type SocksRequest } from "./messages.ts";
import { refusalOf, SocksDialogue, type SocksDialogueListener } from "./socks-dialogue.ts";

/** How long a refused client may take to read why. */
const LINGER_MS = 2_000;

type Stage = "dialogue" | "opening" | "tunnel" | "closing";

/** A SOCKS5 client on a socket: CONNECT and UDP ASSOCIATE, with user name and password always. */
export class SocksConnection implements ClientConnection, SocksDialogueListener {
  readonly #socket: Socket;
  readonly #context: GatewayContext;
  readonly #client: string;
  readonly #dialogue: SocksDialogue;
  #stage: Stage = "dialogue";
  /** What the client said behind its request. */
  #waiting: Buffer = Buffer.alloc(0);
  #deadline: number;

  constructor(socket: Socket, client: string, context: GatewayContext) {
    this.#socket = socket;
    this.#client = client;
    this.#context = context;
    this.#dialogue = new SocksDialogue(context.authenticator, client, this);
    this.#deadline = context.now() + context.limits.headerMs;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
  }

  checkDeadline(now: number): void {
    if (now >= this.#deadline && !this.#isUnderWay) this.destroy();
  }

  drain(): void {
    if (!this.#isUnderWay) this.destroy();
  }

  /** Something is done for the client, which has not to do anything. */
  get #isUnderWay(): boolean {
    return this.#stage === "opening" || this.#stage === "tunnel" || this.#dialogue.isIdentifying;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#stage !== "dialogue") return;
    this.#dialogue.hear(chunk);
    // What comes meanwhile waits in the socket.
    if (this.#dialogue.isIdentifying) this.#socket.pause();
  };

  readonly #onEnd = (): void => {
    if (!this.#isUnderWay) this.destroy();
  };

  onAnswer(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  onMore(): void {
    this.#socket.resume();
  }

  onRefused(lastWords: Buffer, error: ProxyError | undefined): void {
    if (error) this.#context.told(error);
    if (error?.code === "internal") this.#logFailure(error);
    if (lastWords.length === 0) this.destroy();
    else this.#finish(lastWords);
  }

  /** What the client asks for, here or where its dialogue was held. */
  onRequest(identity: Identity, request: SocksRequest, rest: Buffer): void {
    this.#stage = "opening";
    this.#socket.pause();
    this.#waiting = rest;
    if (request.command === "udp") this.#associate(identity, request);
    else this.#open(identity, request).catch((error) => this.#refuse(proxyErrorOf(error)));
  }

  /** From here on the association looks after the socket. */
  #associate(identity: Identity, { host, port }: SocksRequest): void {
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#stage = "tunnel";
    openAssociation({
      socket: this.#socket,
      identity,
      client: this.#client,
      host,
      port,
      context: this.#context,
    });
  }

  async #open(identity: Identity, { host, port }: SocksRequest): Promise<void> {
    const { opener, limits } = this.#context;
    const admitted = await opener.admit(identity, { protocol: "socks5", client: this.#client, host, port });
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
    this.#socket.write(reply(0, { address: upstream.localAddress ?? "", port: upstream.localPort ?? 0 }));
    const early = this.#waiting;
    runTunnel(flow, this.#socket, upstream, { idleMs: limits.idleMs, early, ended: () => {} });
  }

  #refuse(error: ProxyError): void {
    this.#context.told(error);
    if (error.code === "internal") this.#logFailure(error);
    this.#finish(refusalOf(error));
  }

  #logFailure(error: ProxyError): void {
    this.#context.logger.error({ err: error.cause ?? error }, "socks5 failed");
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
