import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { ProxyError, proxyErrorOf, proxyErrors, proxyStatusValue } from "@atlantic/shared/errors.ts";
import type { ClientConnection, GatewayContext } from "../context.ts";
import { HttpConnection } from "../http/http-connection.ts";
import type { TlsLeg } from "../tls/tls-leg.ts";
import { forwardStream } from "./forward-stream.ts";
import { readStreamRequest, type StreamRequest } from "./request-fields.ts";
import {
  CONNECTION_WINDOW_BYTES,
  CONTROL_FRAMES_PER_SECOND,
  IDLE_BYTES_PER_SECOND,
  sessionOptions,
} from "./session-limits.ts";
import { socketPair } from "./socket-pair.ts";
import type { StreamTraffic } from "./stream-traffic.ts";
import { TunnelSocket } from "./tunnel-socket.ts";
import type { VirtualSocket } from "./virtual-socket.ts";

/** One stream, as a connection of HTTP/1.1. */
interface StreamConnection {
  readonly socket: VirtualSocket;
  readonly http: HttpConnection;
}

interface Parts {
  readonly socket: TLSSocket;
  /** The client's address. */
  readonly client: string;
  readonly context: GatewayContext;
  readonly leg: TlsLeg;
  /** Counts what the streams carry. */
  readonly traffic: StreamTraffic;
}

/**
 * A client that speaks HTTP/2 (RFC 9113): every stream is a request of its own, with its own login, flow and counters.
 * Each is translated to HTTP/1.1 within this process, so that CONNECT, forwarding and every refusal are the same
 * whichever version a client speaks.
 */
export class Http2Connection implements ClientConnection {
  readonly #session: ServerHttp2Session;
  readonly #parts: Parts;
  readonly #streams = new Map<ServerHttp2Stream, StreamConnection>();
  /** When the last stream ended, or the connection began. */
  #idleSince: number;
  #authenticated = false;
  #controlFrames = 0;
  #overheadBefore = 0;
  #sweptAt = performance.now();

  constructor(parts: Parts, closed: (connection: Http2Connection) => void) {
    this.#parts = parts;
    this.#idleSince = parts.context.now();
    this.#session = performServerHandshake(parts.socket, sessionOptions);
    const session = this.#session;
    session.on("error", ignore);
    session.on("stream", (stream, _headers, _flags, raw) => this.#onStream(stream, raw));
    session.on("ping", () => this.#onControlFrame());
    session.on("remoteSettings", () => this.#onControlFrame());
    session.on("close", () => closed(this));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  }

  #onStream(stream: ServerHttp2Stream, raw: readonly string[]): void {
    stream.on("error", ignore);
    this.#parts.traffic.opened(stream);
    try {
      this.#open(stream, readStreamRequest(raw));
    } catch (error) {
      const reason = proxyErrorOf(error);
      this.#parts.context.told(reason);
      refuse(stream, reason);
    }
  }

  #open(stream: ServerHttp2Stream, request: StreamRequest): void {
    const { client, context } = this.#parts;
    const socket = this.#socketFor(stream, request);
    socket.on("error", ignore);
    this.#streams.set(stream, { socket, http: new HttpConnection(socket, client, context) });
    stream.once("close", () => {
      this.#streams.delete(stream);
      this.#idleSince = context.now();
    });
  }

  #socketFor(stream: ServerHttp2Stream, request: StreamRequest): VirtualSocket {
    const { traffic } = this.#parts;
    if (request.method === "CONNECT" && request.protocol === undefined) {
      return new TunnelSocket(stream, request, traffic);
    }
    if (request.protocol !== undefined && request.protocol !== "websocket") {
      throw new ProxyError("not_implemented", "Of extended CONNECT only WebSockets are offered (RFC 8441).");
    }
    const [near, far] = socketPair();
    forwardStream(stream, request, far, traffic);
    return near;
  }

  /** RFC 9113 §10.5: frames that carry nothing cost the gateway more than the client. */
  #onControlFrame(): void {
    this.#controlFrames += 1;
    const seconds = Math.max(1, (performance.now() - this.#sweptAt) / 1_000);
    if (this.#controlFrames > CONTROL_FRAMES_PER_SECOND * seconds) this.#tooMuch();
  }

  #tooMuch(): void {
    if (this.#session.destroyed) return;
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  checkDeadline(now: number): void {
    this.#checkFloods();
    for (const { socket, http } of this.#streams.values()) {
      http.checkDeadline(now);
      socket.checkIdle(now);
    }
    const { limits } = this.#parts.context;
    const patience = this.#authenticated ? limits.idleMs : limits.keepAliveMs;
    if (this.#streams.size === 0 && now - this.#idleSince >= patience) this.drain();
  }

  #checkFloods(): void {
    const { leg } = this.#parts;
    const seconds = Math.max(1, (performance.now() - this.#sweptAt) / 1_000);
    this.#sweptAt = performance.now();
    this.#controlFrames = 0;
    const grown = leg.overhead - this.#overheadBefore;
    this.#overheadBefore = leg.overhead;
    if (leg.hadFlows) this.#authenticated = true;
    if (grown > IDLE_BYTES_PER_SECOND * seconds) this.#tooMuch();
  }

  drain(): void {
    // GOAWAY: what is open goes on to its end, and then the connection closes.
    if (!this.#session.closed) this.#session.close();
    for (const { http } of this.#streams.values()) http.drain();
  }

  destroy(): void {
    for (const { http } of this.#streams.values()) http.destroy();
    this.#session.destroy();
  }
}

/** Says no before there is an HTTP/1.1 connection that could. */
function refuse(stream: ServerHttp2Stream, error: ProxyError): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": proxyErrors[error.code].httpStatus, "proxy-status": proxyStatusValue(error) });
  stream.end();
  stream.close(constants.NGHTTP2_NO_ERROR);
}

function ignore(): void {}
