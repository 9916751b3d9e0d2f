import type { Socket } from "node:net";
import { ProxyError } from "@atlantic/shared/errors.ts";
import type { Flow } from "../flow.ts";
import { type BodyReader, bodyReader } from "./body-reader.ts";
import { findHeadEnd, parseHead, RESPONSE_HEAD_LIMITS } from "./head.ts";
import { onwardHead, type ProxyRequest } from "./request.ts";
import { clientHead, interimHead, type ProxyResponse, readResponse } from "./response.ts";
import type { UpstreamConnection, UpstreamUser } from "./upstream-connection.ts";

/** How one request ended. */
export interface ExchangeListener {
  /** The answer is with the client, whole. */
  exchangeDone(kept: { client: boolean; upstream: boolean }): void;
  /** The target switches protocols; `rest` is what it has sent since. */
  exchangeUpgraded(response: ProxyResponse, rest: Buffer): void;
  /** It broke; `answered` tells whether the client has got a part of the answer. */
  exchangeFailed(error: ProxyError, answered: boolean): void;
}

/** Up to this size head and body go out as one string: one write is cheaper than two buffers. */
const JOINED_BYTES = 16_384;
const EMPTY: Buffer = Buffer.alloc(0);

/** One request and its answer between a client and a target. */
export class Exchange implements UpstreamUser {
  readonly #request: ProxyRequest;
  readonly #client: Socket;
  readonly #upstream: UpstreamConnection;
  readonly #flow: Flow;
  readonly #listener: ExchangeListener;
  readonly #body: BodyReader;
  #headBytes: Buffer = EMPTY;
  #answer: ProxyResponse | undefined;
  #answerBody: BodyReader | undefined;
  #keepClient = false;
  #over = false;
  /** Whether any byte has moved since it was last asked. */
  #moved = false;

  constructor(parts: {
    request: ProxyRequest;
    client: Socket;
    upstream: UpstreamConnection;
    flow: Flow;
    listener: ExchangeListener;
  }) {
    this.#request = parts.request;
    this.#client = parts.client;
    this.#upstream = parts.upstream;
    this.#flow = parts.flow;
    this.#listener = parts.listener;
    this.#body = bodyReader(parts.request.framing);
  }

  get requestDone(): boolean {
    return this.#body.done;
  }

  get answered(): boolean {
    return this.#answer !== undefined;
  }

  /** Tells whether something moved since the last time this was asked. */
  takeMoved(): boolean {
    const moved = this.#moved;
    this.#moved = false;
    return moved;
  }

  /** Sends the head. */
  start(): void {
    this.#upstream.user = this;
    this.#write(onwardHead(this.#request));
  }

  /** Passes on a part of the request's body. @returns how much it took; @throws ProxyError when its framing is broken */
  sendBody(bytes: Buffer): number {
    this.#moved = true;
    return this.#body.read(bytes, 0, (start, end) => {
      const part = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
      if (!this.#write(part)) this.#client.pause();
    });
  }

  /** Leaves the upstream connection alone from now on. */
  abandon(): void {
    this.#over = true;
    if (this.#upstream.user === this) this.#upstream.user = undefined;
  }

  onClientDrain(): void {
    this.#upstream.socket.resume();
  }

  onUpstreamDrain(): void {
    this.#client.resume();
  }

  onUpstreamData(chunk: Buffer): void {
    this.#moved = true;
    this.#flow.receivedBytes += chunk.length;
    try {
      if (this.#answerBody) this.#passBody(chunk, 0, "");
      else this.#readHead(chunk);
    } catch (error) {
      this.#fail(
        error instanceof ProxyError
          ? inTheTargetsName(error)
          : new ProxyError("internal", undefined, { cause: error }),
      );
    }
  }

  onUpstreamEnd(): void {
    if (this.#answer?.framing.kind === "close") this.#finish(false);
    else this.#fail(this.#brokenOff());
  }

  onUpstreamClose(error: Error | undefined): void {
    if (this.#over) return;
    if (error && this.#answer) this.#client.resetAndDestroy();
    this.#fail(this.#brokenOff());
  }

  #brokenOff(): ProxyError {
    return new ProxyError(this.#answer ? "response_incomplete" : "connection_terminated");
  }

  #readHead(chunk: Buffer): void {
    let bytes = this.#headBytes.length === 0 ? chunk : Buffer.concat([this.#headBytes, chunk]);
    this.#headBytes = EMPTY;
    for (;;) {
      const end = findHeadEnd(bytes, RESPONSE_HEAD_LIMITS);
      if (end < 0) {
        this.#headBytes = bytes;
        return;
      }
      const head = parseHead(bytes.toString("latin1", 0, end - 4), RESPONSE_HEAD_LIMITS);
      const response = readResponse(head, this.#request.method);
      if (response.status >= 200) {
        this.#startAnswer(response, bytes, end);
        return;
      }
      bytes = bytes.subarray(end);
      if (response.status === 101) {
        this.#upgrade(response, bytes);
        return;
      }
      if (this.#request.version === "1.1" && !this.#client.write(interimHead(response), "latin1")) {
        this.#upstream.socket.pause();
      }
      if (bytes.length === 0) return;
    }
  }

  #upgrade(response: ProxyResponse, rest: Buffer): void {
    if (!this.#request.upgrade)
      throw new ProxyError("bad_response", "The target switched protocols unasked.");
    this.#over = true;
    this.#listener.exchangeUpgraded(response, rest);
  }

  #startAnswer(response: ProxyResponse, bytes: Buffer, bodyStart: number): void {
    if (response.status === 407) {
      throw new ProxyError("bad_response", "The target answered as if it were a proxy (407).");
    }
    const { version, keepAlive } = this.#request;
    const { framing } = response;
    const endless = framing.kind === "close" || (framing.kind === "chunked" && version === "1.0");
    this.#answer = response;
    this.#answerBody = bodyReader(framing, version === "1.0");
    // A request whose body is still to come is answered early: what the client sends now is nobody's.
    this.#keepClient = keepAlive && !endless && this.#body.done;
    const head = clientHead(response, { version, keepAlive: this.#keepClient });
    this.#passBody(bytes, bodyStart, head);
  }

  /** Passes on what belongs to the body, behind the head where that is still to be sent. */
  #passBody(bytes: Buffer, start: number, head: string): void {
    const reader = this.#answerBody;
    if (reader === undefined) return;
    let unsentHead = head;
    let roomLeft = true;
    const end = reader.read(bytes, start, (from, to) => {
      if (unsentHead !== "" && to - from <= JOINED_BYTES) {
        roomLeft = this.#client.write(unsentHead + bytes.toString("latin1", from, to), "latin1");
      } else {
        if (unsentHead !== "") this.#client.write(unsentHead, "latin1");
        roomLeft = this.#client.write(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
      }
      unsentHead = "";
    });
    if (unsentHead !== "") this.#client.write(unsentHead, "latin1");
    if (!roomLeft) this.#upstream.socket.pause();
    if (reader.done) this.#finish(end === bytes.length);
  }

  #finish(cleanly: boolean): void {
    if (this.#over) return;
    this.abandon();
    this.#upstream.answers += 1;
    const upstream = cleanly && this.#body.done && (this.#answer?.keepAlive ?? false);
    this.#upstream.socket.resume();
    this.#listener.exchangeDone({ client: this.#keepClient, upstream });
  }

  #fail(error: ProxyError): void {
    if (this.#over) return;
    this.abandon();
    this.#listener.exchangeFailed(error, this.answered);
  }

  /** Counts what the system has taken, not what still waits here. */
  #write(data: string | Buffer): boolean {
    const flow = this.#flow;
    const { length } = data;
    const counted = (error?: Error | null) => {
      if (!error) flow.sentBytes += length;
    };
    return typeof data === "string"
      ? this.#upstream.socket.write(data, "latin1", counted)
      : this.#upstream.socket.write(data, counted);
  }
}

/** The readers of heads and bodies serve both sides; here it is the target that broke the rules. */
function inTheTargetsName(error: ProxyError): ProxyError {
  return error.code === "bad_response"
    ? error
    : new ProxyError("bad_response", error.detail, { cause: error });
}
