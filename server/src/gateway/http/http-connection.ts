import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { ForwardBack } from "@atlantic/native";
import { ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { Identity } from "../authenticator.ts";
import type { ClientConnection, GatewayContext } from "../context.ts";
import { type AdmittedFlow, failFlow, flowHeaders } from "../flow-opener.ts";
import { runTunnel } from "../tunnel.ts";
import { askedExit } from "./asked-exit.ts";
import { BodyPace } from "./body-pace.ts";
import { errorAnswer } from "./error-answer.ts";
import { Exchange, type ExchangeListener } from "./exchange.ts";
import { type Framing, NO_BODY } from "./framing.ts";
import { findHeadEnd, type Head, parseHead, REQUEST_HEAD_LIMITS } from "./head.ts";
import { forwardsEnded } from "./last-forward.ts";
import { mayForwardNatively, NativeForwarding } from "./native-forwarding.ts";
import { refuseLoops } from "./node-loops.ts";
import { optionsText, type ProxyRequest, readRequest } from "./request.ts";
import { resetSocket } from "./reset-socket.ts";
import { type ProxyResponse, upgradeHead } from "./response.ts";
import { IDENTITY_MS, type Standing } from "./standing.ts";
import { UpstreamConnection } from "./upstream-connection.ts";

/** Connections that carry but a request or two are not worth giving away. */
const PLAIN_BEFORE_NATIVE = 2;
const MAX_PLAIN_BEFORE_NATIVE = 64;
const MAX_WAITING_BYTES = 65_536;
/** How long a refused client may take to read why. */
const LINGER_MS = 2_000;
const EMPTY: Buffer = Buffer.alloc(0);

/**
 * head: between requests, or in the middle of a header section. opening: deciding and dialling.
 * exchange: a request is with the target. tunnel: the sockets belong to a relay. closing: nothing is read any more.
 */
type Phase = "head" | "opening" | "exchange" | "tunnel" | "closing";

/** A client that speaks HTTP/1.1: requests to forward, one after the other, or CONNECT. */
export class HttpConnection implements ClientConnection, ExchangeListener {
  readonly #socket: Socket;
  readonly #context: GatewayContext;
  readonly #client: string;
  #phase: Phase = "head";
  #waiting: Buffer = EMPTY;
  #request: ProxyRequest | undefined;
  #standing: Standing | undefined;
  #upstream: UpstreamConnection | undefined;
  #exchange: Exchange | undefined;
  #retried = false;
  #clientEnded = false;
  /** How many exchanges of the standing there were, and how many there are to be before the engine takes over. */
  #exchanges = 0;
  #plainBeforeNative = PLAIN_BEFORE_NATIVE;
  #pace: BodyPace | undefined;
  /** The gateway is ending: this request is the last. */
  #draining = false;
  #deadline: number;

  constructor(socket: Socket, client: string, context: GatewayContext) {
    this.#socket = socket;
    this.#client = client;
    this.#context = context;
    this.#deadline = context.now() + context.limits.headerMs;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("drain", this.#onDrain);
    socket.on("close", this.#onClose);
  }

  checkDeadline(now: number): void {
    if (this.#phase === "exchange" && this.#exchange?.takeMoved()) {
      this.#deadline = now + this.#context.limits.idleMs;
    }
    if (this.#bodyIsSlow(now)) {
      this.exchangeFailed(new ProxyError("body_timeout"), this.#exchange?.answered ?? false);
      return;
    }
    if (now < this.#deadline || this.#phase === "opening" || this.#phase === "tunnel") return;
    if (this.#phase === "head" && this.#waiting.length > 0) this.#refuse(new ProxyError("header_timeout"));
    else if (this.#phase === "exchange" && !this.#exchange?.answered) {
      this.exchangeFailed(new ProxyError("response_timeout"), false);
    } else this.destroy();
  }

  /** Clients that send a body byte by byte would hold a target's connection for as long as they like. */
  #bodyIsSlow(now: number): boolean {
    const exchange = this.#exchange;
    const pace = this.#pace;
    if (this.#phase !== "exchange" || exchange === undefined || pace === undefined) return false;
    if (exchange.requestDone) {
      this.#pace = undefined;
      return false;
    }
    return pace.isSlow(now, exchange.bodyBytes, exchange.holdsClientBack || this.#mayWait(exchange));
  }

  /** A client that expects 100 (Continue) need not send before it has heard something. */
  #mayWait(exchange: Exchange): boolean {
    return exchange.unheard && exchange.bodyBytes === 0 && this.#request?.expectsContinue === true;
  }

  drain(): void {
    this.#draining = true;
    if (this.#phase === "head" && this.#waiting.length === 0) this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#phase === "closing") return;
    if (this.#phase === "exchange" && this.#waiting.length === 0 && this.#exchange?.requestDone === false) {
      this.#waiting = chunk;
      this.#sendBody();
      return;
    }
    if (this.#waiting.length === 0) {
      this.#waiting = chunk;
      if (this.#phase === "head") this.#deadline = this.#context.now() + this.#context.limits.headerMs;
    } else {
      this.#waiting = Buffer.concat([this.#waiting, chunk]);
    }
    if (this.#phase === "head") this.#readHead();
    else if (this.#waiting.length > MAX_WAITING_BYTES) this.#socket.pause();
  };

  readonly #onEnd = (): void => {
    this.#clientEnded = true;
    if (this.#phase === "head") this.destroy();
    if (this.#phase === "exchange" && this.#exchange?.requestDone === false) this.destroy();
  };

  readonly #onDrain = (): void => {
    this.#exchange?.onClientDrain();
  };

  readonly #onClose = (): void => {
    const broken = this.#phase === "exchange";
    this.#phase = "closing";
    this.#exchange?.abandon();
    if (broken) this.#dropUpstream();
    this.#leave(broken ? "client_reset" : "ended");
  };

  #readHead(): void {
    try {
      const head = this.#takeHead();
      if (head === undefined) return;
      this.#request = undefined;
      this.#request = readRequest(head);
      this.#begin(this.#request, head);
    } catch (error) {
      this.#refuse(proxyErrorOf(error));
    }
  }

  #takeHead(): Head | undefined {
    let start = 0;
    // RFC 9112 §2.2: empty lines in front of a request are ignored.
    while (this.#waiting[start] === 0x0d && this.#waiting[start + 1] === 0x0a) start += 2;
    if (start > 0) this.#waiting = this.#waiting.subarray(start);
    const end = findHeadEnd(this.#waiting, REQUEST_HEAD_LIMITS);
    if (end < 0) return undefined;
    const text = this.#waiting.toString("latin1", 0, end - 4);
    this.#waiting = end === this.#waiting.length ? EMPTY : this.#waiting.subarray(end);
    return parseHead(text, REQUEST_HEAD_LIMITS);
  }

  #begin(request: ProxyRequest, head: Head): void {
    this.#phase = "opening";
    this.#retried = false;
    if (request.method === "CONNECT") this.#holdBack();
    const standing = this.#standing;
    if (standing && this.#stillStands(standing, request)) {
      this.#countRequest(standing);
      const upstream = this.#openUpstream();
      if (upstream) this.#send(request, upstream);
      else this.#run(this.#dialAndSend(request, standing));
      return;
    }
    this.#run(this.#open(request, head));
  }

  /** What the client says before the tunnel is there stays in its socket, FIN behind it, for the tunnel to read. */
  #holdBack(): void {
    this.#socket.pause();
    if (this.#waiting.length > 0) this.#socket.unshift(this.#waiting);
    this.#waiting = EMPTY;
  }

  /** @throws ProxyError when the credential sends too many */
  #countRequest({ admitted: { flow } }: Standing): void {
    if (!flow.limits.requests.take()) throw new ProxyError("request_limit");
    flow.requests += 1;
  }

  /** Whether the last request's decisions hold for this one too. */
  #stillStands(standing: Standing, request: ProxyRequest): boolean {
    const now = this.#context.now();
    return (
      standing.authorization === request.authorization &&
      standing.authority === request.target.authority &&
      standing.options === optionsText(request) &&
      standing.epoch === this.#context.credentialEpoch() &&
      now - standing.checkedAt < IDENTITY_MS &&
      (standing.admitted.session?.expiresAt ?? Number.POSITIVE_INFINITY) > Date.now() &&
      standing.admitted.flow.end === undefined &&
      request.method !== "CONNECT" &&
      request.maxForwards !== 0 &&
      request.nodes === undefined
    );
  }

  /** The target may have closed it while the client was silent: nothing would tell a request that is sent there. */
  #openUpstream(): UpstreamConnection | undefined {
    if (this.#upstream?.socket.destroyed) this.#upstream = undefined;
    return this.#upstream;
  }

  #run(work: Promise<void>): void {
    work.catch((error) => this.#refuse(proxyErrorOf(error)));
  }

  async #open(request: ProxyRequest, head: Head): Promise<void> {
    const epoch = this.#context.credentialEpoch();
    const answer = this.#context.authenticator.fromHeader(request.authorization, this.#client);
    const identity = askedExit(answer instanceof Promise ? await answer : answer, request.optionFields);
    refuseLoops(request.nodes, this.#context.nodeId);
    if (request.maxForwards === 0) return this.#answerLastForward(request, head);
    const standing = this.#standing;
    if (standing && this.#sameWish(standing, request, identity) && standing.epoch === epoch) {
      standing.checkedAt = this.#context.now();
      this.#countRequest(standing);
      const upstream = this.#openUpstream();
      if (upstream) this.#send(request, upstream);
      else await this.#dialAndSend(request, standing);
      return;
    }
    this.#leave("ended");
    if (request.method === "CONNECT") await this.#openTunnel(request, identity);
    else await this.#openForward(request, identity, epoch);
  }

  #sameWish(
    { admitted, authorization, authority, options }: Standing,
    request: ProxyRequest,
    { credential }: Identity,
  ): boolean {
    return (
      authorization === request.authorization &&
      authority === request.target.authority &&
      options === optionsText(request) &&
      admitted.flow.record.credentialId === credential.id &&
      admitted.flow.end === undefined &&
      (admitted.session?.expiresAt ?? Number.POSITIVE_INFINITY) > Date.now() &&
      request.method !== "CONNECT"
    );
  }

  async #openTunnel(request: ProxyRequest, identity: Identity): Promise<void> {
    const { opener, limits } = this.#context;
    const { host, port } = request.target;
    const admitted = await opener.admit(identity, {
      protocol: "connect",
      client: this.#client,
      host,
      port,
    });
    const upstream = await opener.dial(admitted);
    if (this.#socket.destroyed || admitted.flow.end) return this.#tooLate(admitted, upstream);
    this.#handOver();
    this.#socket.write(`HTTP/1.1 200 Connection established\r\n${flowHeaders(admitted)}\r\n`, "latin1");
    runTunnel(admitted.flow, this.#socket, upstream, { idleMs: limits.idleMs, ended: () => {} });
  }

  async #openForward(request: ProxyRequest, identity: Identity, epoch: number): Promise<void> {
    const { host, port, authority } = request.target;
    const wish = { protocol: "http" as const, client: this.#client, host, port };
    const admitted = await this.#context.opener.admit(identity, wish);
    if (this.#socket.destroyed || admitted.flow.end) return this.#tooLate(admitted);
    admitted.flow.onCut((reason) => this.#cut(reason));
    const standing: Standing = {
      admitted,
      poolKey: `${identity.credential.id} ${admitted.route.exit.key} ${host} ${port}`,
      authorization: request.authorization,
      authority,
      options: optionsText(request),
      epoch,
      checkedAt: this.#context.now(),
    };
    this.#standing = standing;
    this.#upstream = this.#context.pool.take(standing.poolKey);
    if (this.#upstream) this.#send(request, this.#upstream);
    else await this.#dialAndSend(request, standing);
  }

  async #dialAndSend(request: ProxyRequest, standing: Standing): Promise<void> {
    const socket = await this.#context.opener.dial(standing.admitted);
    if (this.#socket.destroyed || standing.admitted.flow.end) return this.#tooLate(standing.admitted, socket);
    this.#upstream = new UpstreamConnection(socket, standing.poolKey);
    this.#send(request, this.#upstream);
  }

  #send(request: ProxyRequest, upstream: UpstreamConnection): void {
    const standing = this.#standing;
    if (standing === undefined) return;
    const { pool, now } = this.#context;
    if (request.expectsContinue && pool.oldTargets.has(request.target.authority, now())) {
      throw new ProxyError("expectation_failed");
    }
    this.#exchangeWith(request, upstream, standing, request.framing).start();
    if (this.#waiting.length > 0) this.#sendBody();
    if (this.#clientEnded && this.#exchange?.requestDone === false) this.destroy();
    else this.#socket.resume();
  }

  #sendBody(): void {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.requestDone) return;
    try {
      const used = exchange.sendBody(this.#waiting);
      this.#waiting = used === this.#waiting.length ? EMPTY : this.#waiting.subarray(used);
    } catch (error) {
      exchange.abandon();
      this.exchangeFailed(proxyErrorOf(error), exchange.answered);
    }
  }

  exchangeExhausted(): void {
    this.#cut("quota_exhausted");
  }

  exchangeDone(kept: { client: boolean; upstream: boolean }): void {
    const { oldTargets } = this.#context.pool;
    if (this.#exchange?.targetIsOld && this.#standing) {
      oldTargets.add(this.#standing.authority, this.#context.now());
    }
    this.#exchange = undefined;
    if (!kept.upstream) this.#dropUpstream();
    if (!kept.client || this.#clientEnded || this.#draining) {
      this.#close("");
      return;
    }
    this.#phase = "head";
    this.#exchanges += 1;
    if (this.#waiting.length === 0 && this.#giveToEngine()) return;
    this.#deadline = this.#context.now() + this.#context.limits.keepAliveMs;
    this.#socket.resume();
    if (this.#waiting.length > 0) {
      this.#deadline = this.#context.now() + this.#context.limits.headerMs;
      this.#readHead();
    }
  }

  /** Lets the native engine forward what is plain from now on. */
  #giveToEngine(): boolean {
    const standing = this.#standing;
    const upstream = this.#upstream;
    if (standing === undefined || upstream === undefined || this.#exchanges < this.#plainBeforeNative)
      return false;
    if (!mayForwardNatively(standing, this.#socket, upstream.socket)) return false;
    const parts = {
      context: this.#context,
      standing,
      client: this.#client,
      goOn: (back: ForwardBack, socket: Socket, kept: UpstreamConnection | undefined) =>
        this.#goOn(back, socket, kept, standing),
    };
    if (!NativeForwarding.begin(parts, this.#socket, upstream.socket)) return false;
    this.#handOver();
    upstream.release();
    this.#standing = undefined;
    this.#upstream = undefined;
    return true;
  }

  /** The engine has met what is not plain: another connection of this kind goes on where it stopped. */
  #goOn(
    back: ForwardBack,
    socket: Socket,
    upstream: UpstreamConnection | undefined,
    standing: Standing,
  ): HttpConnection {
    const next = new HttpConnection(socket, this.#client, this.#context);
    // Clients that are unusual again and again are not worth giving away.
    next.#plainBeforeNative = Math.min(MAX_PLAIN_BEFORE_NATIVE, this.#plainBeforeNative * 2);
    try {
      next.#takeUp(back, upstream, standing);
    } catch (error) {
      next.#refuse(proxyErrorOf(error));
    }
    return next;
  }

  #takeUp(
    { fromClient, exchange }: ForwardBack,
    upstream: UpstreamConnection | undefined,
    standing: Standing,
  ): void {
    standing.admitted.flow.onCut((reason) => this.#cut(reason));
    this.#standing = standing;
    this.#upstream = upstream;
    this.#waiting = fromClient;
    if (exchange === undefined) {
      this.#deadline =
        this.#context.now() +
        (fromClient.length > 0 ? this.#context.limits.headerMs : this.#context.limits.keepAliveMs);
      if (fromClient.length > 0) this.#readHead();
      return;
    }
    const text = exchange.head.toString("latin1", 0, exchange.head.length - 4);
    const request = readRequest(parseHead(text, REQUEST_HEAD_LIMITS));
    this.#request = request;
    if (upstream === undefined) {
      this.#phase = "exchange";
      this.exchangeFailed(new ProxyError("connection_terminated"), false);
      return;
    }
    const body = exchange.bodyLeft === 0 ? NO_BODY : ({ kind: "length", length: exchange.bodyLeft } as const);
    this.#exchangeWith(request, upstream, standing, body).resume(exchange);
    if (this.#waiting.length > 0) this.#sendBody();
    if (exchange.timedOut) this.exchangeFailed(new ProxyError("response_timeout"), false);
  }

  #exchangeWith(
    request: ProxyRequest,
    upstream: UpstreamConnection,
    { admitted: { flow } }: Standing,
    body: Framing,
  ): Exchange {
    this.#phase = "exchange";
    this.#deadline = this.#context.now() + this.#context.limits.idleMs;
    this.#pace = body.kind === "none" ? undefined : new BodyPace(this.#context.now(), this.#context.limits);
    this.#exchange = new Exchange({ request, client: this.#socket, upstream, flow, listener: this, body });
    return this.#exchange;
  }

  exchangeUpgraded(response: ProxyResponse, rest: Buffer): void {
    const upstream = this.#upstream?.release();
    const flow = this.#standing?.admitted.flow;
    this.#exchange = undefined;
    this.#upstream = undefined;
    this.#standing = undefined;
    if (upstream === undefined || flow === undefined) return;
    if (this.#clientEnded) {
      upstream.destroy();
      flow.finish("ended");
      this.destroy();
      return;
    }
    this.#handOver();
    this.#socket.write(upgradeHead(response), "latin1");
    if (rest.length > 0) this.#socket.write(rest);
    if (this.#waiting.length > 0) this.#socket.unshift(this.#waiting);
    runTunnel(flow, this.#socket, upstream, { idleMs: this.#context.limits.idleMs, ended: () => {} });
  }

  exchangeFailed(error: ProxyError, answered: boolean): void {
    const request = this.#request;
    const standing = this.#standing;
    const reused = (this.#upstream?.answers ?? 0) > 0;
    this.#exchange?.abandon();
    this.#exchange = undefined;
    this.#dropUpstream();
    if (answered) {
      // Ending cleanly here would make a part of the answer look like all of it.
      this.#leave(error.code, true);
      this.destroy();
    } else if (request && standing && reused && !this.#retried && mayRepeat(request, error)) {
      this.#retried = true;
      this.#phase = "opening";
      this.#run(this.#dialAndSend(request, standing));
    } else {
      this.#refuse(error);
    }
  }

  /** Says no in HTTP. What the client has still to send makes the connection useless, unless there is nothing. */
  #refuse(error: ProxyError): void {
    if (this.#phase === "closing" || this.#phase === "tunnel") return;
    if (error.code === "internal") this.#context.logger.error({ err: error.cause ?? error }, "http failed");
    const request = this.#request;
    this.#context.told(error);
    const requestId = this.#standing?.admitted.flow.record.id ?? randomUUID();
    this.#leave(error.code, true);
    const close = request === undefined || !mayGoOn(request, error) || this.#clientEnded;
    const { quotaStatus } = this.#context.limits;
    const answer = errorAnswer(error, { requestId, close, head: request?.method === "HEAD", quotaStatus });
    if (close) {
      this.#close(answer);
      return;
    }
    this.#socket.write(answer);
    this.#phase = "exchange";
    this.exchangeDone({ client: true, upstream: false });
  }

  #answerLastForward(request: ProxyRequest, head: Head): void {
    this.#leave("ended");
    this.#close(forwardsEnded(request.method, head));
  }

  /** The client has gone, or the flow was cut, before there was anything to carry. */
  #tooLate(admitted: AdmittedFlow, upstream?: Socket): void {
    upstream?.destroy();
    failFlow(admitted.flow, new ProxyError("connection_terminated", "The client gave up."));
    resetSocket(this.#socket);
  }

  /** Ends the flow from outside: the account's traffic is used up, or its owner wants it so. */
  #cut(reason: string): void {
    this.#exchange?.abandon();
    this.#dropUpstream();
    this.#leave(reason);
    resetSocket(this.#socket);
  }

  /** Ends the standing flow; its idle connection to the target waits for another client. */
  #leave(outcome: string, failed = false): void {
    const standing = this.#standing;
    const upstream = this.#upstream;
    this.#standing = undefined;
    this.#upstream = undefined;
    if (upstream) this.#context.pool.give(upstream, this.#context.now());
    standing?.admitted.flow.finish(outcome, failed);
  }

  #dropUpstream(): void {
    this.#upstream?.socket.destroy();
    this.#upstream = undefined;
  }

  /** Last words, FIN, and a while in which the client may still send what nobody reads. */
  #close(lastWords: string): void {
    this.#leave("ended");
    this.#phase = "closing";
    this.#waiting = EMPTY;
    this.#deadline = this.#context.now() + LINGER_MS;
    this.#socket.end(lastWords);
    this.#socket.resume();
    if (this.#clientEnded) this.#socket.destroySoon();
    else this.#socket.once("end", () => this.#socket.destroySoon());
  }

  #handOver(): void {
    this.#phase = "tunnel";
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("drain", this.#onDrain);
    this.#socket.off("close", this.#onClose);
    this.#socket.pause();
  }
}

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** RFC 9110 §9.2.2: a kept connection that closed just now did not take the request. */
function mayRepeat(request: ProxyRequest, error: ProxyError): boolean {
  return (
    error.code === "connection_terminated" &&
    request.framing.kind === "none" &&
    idempotent.has(request.method)
  );
}

const endsConnection: ReadonlySet<string> = new Set([
  "malformed_request",
  "header_timeout",
  "wrong_credentials",
  "too_many_attempts",
  "authentication_required",
  "bad_username",
  "quota_exhausted",
  "closing",
]);

function mayGoOn(request: ProxyRequest, error: ProxyError): boolean {
  // After a refused CONNECT the client may have sent the tunnel's first bytes already: never read them as a request.
  return (
    request.method !== "CONNECT" &&
    request.keepAlive &&
    request.framing.kind === "none" &&
    !endsConnection.has(error.code)
  );
}
