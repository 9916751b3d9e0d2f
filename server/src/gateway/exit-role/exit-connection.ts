import type { Socket } from "node:net";
import { dialPlan, relay } from "@atlantic/native";
import { ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import { errorAnswer } from "../http/error-answer.ts";
import { findHeadEnd, parseHead, REQUEST_HEAD_LIMITS } from "../http/head.ts";
import { connectTarget } from "../http/target.ts";
import type { CheckedTarget, TargetGuard } from "../target-guard.ts";
import { type ExitTokens, proofOf } from "./exit-token.ts";
import { PROOF_FIELD, readSource } from "./exit-words.ts";

const CONNECT_MS = 10_000;
const IDLE_MS = 300_000;
const LINGER_MS = 2_000;

export interface ExitContext {
  readonly key: Uint8Array;
  readonly tokens: ExitTokens;
  readonly guard: TargetGuard;
  readonly addresses: ReadonlySet<string>;
}

/** One flow of a gateway of ours, asked for with CONNECT. */
export class ExitConnection {
  readonly #socket: Socket;
  readonly #context: ExitContext;
  readonly #onAsked: () => void;
  #waiting: Buffer = Buffer.alloc(0);

  /** @param onAsked called once a gateway of ours has asked for a flow */
  constructor(socket: Socket, context: ExitContext, onAsked: () => void) {
    this.#socket = socket;
    this.#context = context;
    this.#onAsked = onAsked;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
  }

  readonly #onEnd = () => void this.#socket.destroy();

  readonly #onData = (chunk: Buffer): void => {
    this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
    try {
      const end = findHeadEnd(this.#waiting, REQUEST_HEAD_LIMITS);
      if (end < 0) return;
      const head = this.#waiting.toString("latin1", 0, end - 4);
      this.#waiting = this.#waiting.subarray(end);
      this.#socket.off("data", this.#onData);
      this.#socket.off("end", this.#onEnd);
      this.#socket.pause();
      this.#open(head).catch((error) => this.#refuse(proxyErrorOf(error)));
    } catch (error) {
      this.#refuse(proxyErrorOf(error));
    }
  };

  async #open(text: string): Promise<void> {
    const { key, addresses, guard } = this.#context;
    const { target, token, from } = this.#admit(text);
    this.#onAsked();
    // What the exit no longer has is gone for the session that was promised it.
    if (from !== null && !addresses.has(from)) throw new ProxyError("session_lost");
    const checked = await guard.check(target.host, target.port);
    const upstream = await dialPlan(planFrom(from, checked), { timeoutMs: CONNECT_MS });
    if (this.#socket.destroyed) return void upstream.destroy();
    this.#socket.write(`HTTP/1.1 200 OK\r\n${PROOF_FIELD}: ${proofOf(key, token)}\r\n\r\n`, "latin1");
    if (this.#waiting.length > 0) this.#socket.unshift(this.#waiting);
    relay(this.#socket, upstream, { idleMs: IDLE_MS });
  }

  /** @throws ProxyError when it is not a gateway of ours that asks */
  #admit(text: string) {
    const { startLine, fields } = parseHead(text, REQUEST_HEAD_LIMITS);
    const authority = /^CONNECT (\S+) HTTP\/1\.1$/.exec(startLine)?.[1];
    if (authority === undefined) throw new ProxyError("malformed_request");
    const target = connectTarget(authority);
    const authorization = fields.find(({ lower }) => lower === "proxy-authorization")?.value ?? "";
    const [, encoded = ""] = /^Basic ([A-Za-z0-9+/]+={0,2})$/.exec(authorization) ?? [];
    const [source = "", token = ""] = Buffer.from(encoded, "base64").toString("latin1").split(":");
    const from = readSource(source);
    if (from === undefined || !this.#context.tokens.accept(token, { ...target, from })) {
      throw new ProxyError("authentication_required");
    }
    return { target, token, from };
  }

  #refuse(error: ProxyError): void {
    if (this.#socket.destroyed) return;
    this.#waiting = Buffer.alloc(0);
    this.#socket.off("data", this.#onData);
    this.#socket.end(errorAnswer(error, { requestId: "-", close: true, head: false }));
    this.#socket.resume();
    const lingering = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once("close", () => clearTimeout(lingering));
    this.#socket.once("end", () => this.#socket.destroySoon());
  }
}

/** An address can only reach its own family. */
function planFrom(from: string | null, { addresses, addressPort }: CheckedTarget) {
  if (from === null) return { addresses, port: addressPort };
  const reachable = addresses.filter((address) => address.includes(":") === from.includes(":"));
  if (reachable.length === 0) throw new ProxyError("unroutable");
  return { addresses: reachable, port: addressPort, localAddress: from };
}
