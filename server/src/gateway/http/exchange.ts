import type { Socket } from "node:net";
import type { HalfDoneExchange } from "@atlantic/native";
import { ProxyError } from "@atlantic/shared/errors.ts";
import type { Flow } from "../flow.ts";
import { takeFrom } from "../flow-limits.ts";
import { type BodyReader, bodyReader } from "./body-reader.ts";
import type { Framing } from "./framing.ts";
import { findHeadEnd, parseHead, RESPONSE_HEAD_LIMITS } from "./head.ts";
import { onwardHead, type ProxyRequest } from "./request.ts";
import { resetSocket } from "./reset-socket.ts";
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
  /** Nothing may be moved any more. */
  exchangeExhausted(): void;
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
  /** Whether the target has sent anything: then it took the request, and it is not repeated. */
  #heard = false;
  /** Whether any byte has moved since it was last asked. */
  #moved = false;
  /** Bytes of the request's body so far. */
  #bodyBytes = 0;
  /** Sent without an answer so far: nobody pays for a request that a closed connection never took. */
  #pendingBytes = 0;
  /** What the limits hold back on its way to the target, and from it. */
  readonly #heldUp: Buffer[] = [];
  readonly #heldDown: Buffer[] = [];
  #waitingUp = false;
  #waitingDown = false;
  #upstreamEnd: { readonly error: Error | undefined } | undefined;

  constructor(parts: {
    request: ProxyRequest;
    client: Socket;
    upstream: UpstreamConnection;
    flow: Flow;
    listener: ExchangeListener;
    /** What is left of the request's body: less than all of it where another carrier began with it. */
    body: Framing;
  }) {
    this.#request = parts.request;
    this.#client = parts.client;
    this.#upstream = parts.upstream;
    this.#flow = parts.flow;
    this.#listener = parts.listener;
    this.#body = bodyReader(parts.body);
  }

  /** Whether all of the request is with the target, or on its way there. */
  get requestDone(): boolean {
    return this.#body.done;
  }

  get answered(): boolean {
    return this.#answer !== undefined;
  }

  /** Whether the target was silent so far. */
  get unheard(): boolean {
    return !this.#heard;
  }

  /** Whether the target has answered in HTTP/1.0. */
  get targetIsOld(): boolean {
    return this.#answer?.version === "1.0";
  }

  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  /** Whether it is this side or the target, not the client, that the body waits for. */
  get holdsClientBack(): boolean {
    return this.#waitingUp || this.#upstream.socket.writableNeedDrain;
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
    this.#send(Buffer.from(onwardHead(this.#request, this.#flow.limits.addedFields), "latin1"));
  }

  /** Goes on where another carrier stopped. */
  resume({ unsent, pendingBytes, heard, fromUpstream }: HalfDoneExchange): void {
    this.#upstream.user = this;
    this.#pendingBytes = pendingBytes;
    this.#heard = heard;
    if (unsent.length > 0) this.#send(unsent);
    if (fromUpstream.length > 0) this.#receive(fromUpstream);
  }

  /** Passes on a part of the request's body. @returns how much it took; @throws ProxyError when its framing is broken */
  sendBody(bytes: Buffer): number {
    this.#moved = true;
    return this.#body.read(bytes, 0, (from, start, end) => {
      this.#bodyBytes += end - start;
      this.#send(start === 0 && end === from.length ? from : from.subarray(start, end));
    });
  }

  /** Sends what the limits allow; the rest waits, and the client with it. */
  #send(bytes: Buffer): void {
    if (this.#waitingUp) {
      this.#heldUp.push(bytes);
      return;
    }
    const taken = takeFrom(this.#flow.limits, bytes.length);
    if (taken === true) {
      if (!this.#write(bytes)) this.#client.pause();
    } else this.#sendLater(bytes, taken);
  }

  #sendLater(bytes: Buffer, taken: Promise<boolean>): void {
    this.#waitingUp = true;
    this.#client.pause();
    taken.then((granted) => {
      this.#waitingUp = false;
      if (this.#over) {
        if (granted) this.#flow.limits.allowance.add(bytes.length);
        return;
      }
      if (!granted) return this.#listener.exchangeExhausted();
      const roomLeft = this.#write(bytes);
      for (const held of this.#heldUp.splice(0)) this.#send(held);
      if (roomLeft && !this.#waitingUp) this.#client.resume();
    });
  }

  /** Leaves the upstream connection alone from now on. */
  abandon(): void {
    this.#over = true;
    this.#flow.sentBytes += this.#pendingBytes;
    this.#pendingBytes = 0;
    if (this.#upstream.user === this) this.#upstream.user = undefined;
  }

  onClientDrain(): void {
    this.#upstream.socket.resume();
  }

  onUpstreamDrain(): void {
    if (!this.#waitingUp) this.#client.resume();
  }

  onUpstreamData(chunk: Buffer): void {
    this.#moved = true;
    this.#hear();
    if (this.#waitingDown) this.#heldDown.push(chunk);
    else this.#takeAndReceive(chunk);
  }

  /** The target has the request: from now on what was sent is paid for. */
  #hear(): void {
    if (this.#heard) return;
    this.#heard = true;
    this.#flow.sentBytes += this.#pendingBytes;
    this.#pendingBytes = 0;
  }

  /** Delivers to the last byte that the limits allow; what is behind it waits. */
  #takeAndReceive(chunk: Buffer): void {
    const { limits } = this.#flow;
    const left = limits.allowance.remaining;
    const part = left >= chunk.length || left <= 0 ? chunk : chunk.subarray(0, left);
    if (part !== chunk) this.#heldDown.unshift(chunk.subarray(left));
    const taken = takeFrom(limits, part.length);
    if (taken !== true) {
      this.#receiveLater(part, taken);
      return;
    }
    this.#flow.receivedBytes += part.length;
    this.#receive(part);
    if (part !== chunk) this.#receiveHeld();
  }

  #receiveLater(chunk: Buffer, taken: Promise<boolean>): void {
    this.#waitingDown = true;
    this.#upstream.socket.pause();
    taken.then((granted) => {
      this.#waitingDown = false;
      if (this.#over) {
        if (granted) this.#flow.limits.allowance.add(chunk.length);
        return;
      }
      if (!granted) return this.#listener.exchangeExhausted();
      this.#upstream.socket.resume();
      this.#flow.receivedBytes += chunk.length;
      this.#receive(chunk);
      this.#receiveHeld();
    });
  }

  #receiveHeld(): void {
    const held = this.#heldDown.splice(0);
    if (held.length > 0 && !this.#over)
      this.#takeAndReceive(held.length === 1 ? (held[0] ?? EMPTY) : Buffer.concat(held));
    this.#endWhenHeard();
  }

  #receive(chunk: Buffer): void {
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
    this.#upstreamEnd = { error: undefined };
    this.#endWhenHeard();
  }

  onUpstreamClose(error: Error | undefined): void {
    this.#upstreamEnd ??= { error };
    this.#endWhenHeard();
  }

  /** The target's end comes behind its last bytes, which the limits may still hold back. */
  #endWhenHeard(): void {
    if (this.#over || this.#waitingDown || this.#upstreamEnd === undefined) return;
    const { error } = this.#upstreamEnd;
    if (error === undefined && this.#answer?.framing.kind === "close") {
      this.#finish(false);
      return;
    }
    if (error && this.#answer) resetSocket(this.#client);
    this.#fail(this.#brokenOff());
  }

  #brokenOff(): ProxyError {
    return new ProxyError(this.#heard ? "response_incomplete" : "connection_terminated");
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
    if (!this.#request.upgrade || response.upgrade !== "websocket") {
      throw new ProxyError("bad_response", "The target switched protocols unasked.");
    }
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
    const end = reader.read(bytes, start, (part, from, to) => {
      if (unsentHead !== "" && to - from <= JOINED_BYTES) {
        roomLeft = this.#client.write(unsentHead + part.toString("latin1", from, to), "latin1");
      } else {
        if (unsentHead !== "") this.#client.write(unsentHead, "latin1");
        roomLeft = this.#client.write(from === 0 && to === part.length ? part : part.subarray(from, to));
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
    this.#flow.unchargedSentBytes += this.#pendingBytes;
    this.#pendingBytes = 0;
    this.abandon();
    this.#listener.exchangeFailed(error, this.answered);
  }

  /** Counts what the system has taken, not what still waits here. */
  #write(data: Buffer): boolean {
    const flow = this.#flow;
    const { length } = data;
    return this.#upstream.socket.write(data, (error) => {
      if (error) flow.limits.allowance.add(length);
      else if (this.#heard || this.#over || this.#request.framing.kind !== "none") flow.sentBytes += length;
      else this.#pendingBytes += length;
    });
  }
}

/** The readers of heads and bodies serve both sides; here it is the target that broke the rules. */
function inTheTargetsName(error: ProxyError): ProxyError {
  return error.code === "bad_response"
    ? error
    : new ProxyError("bad_response", error.detail, { cause: error });
}
