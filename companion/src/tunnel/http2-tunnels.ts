import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, createSecureContext, getCACertificates } from "node:tls";
import { authorityOf, DialError, openPlan } from "@atlantic/native";
import type { TunnelTarget } from "../upstream/exit-upstream.ts";
import type { TunnelUpstream } from "./tunnel.ts";
import { planThrough } from "./upstream-plan.ts";

/** A receive window for each stream and for all of them, in bytes: what a fast line holds. */
const STREAM_WINDOW = 4 << 20;
const SESSION_WINDOW = 32 << 20;

/** Tunnels on one HTTP/2 connection to a gateway (CONNECT, RFC 9113 §8.5); the connection is made when one is wanted. */
export class Http2Tunnels {
  readonly #upstream: TunnelUpstream;
  readonly #mark: number;
  #session: Promise<ClientHttp2Session> | undefined;
  readonly #open = new Set<ClientHttp2Session>();

  constructor(upstream: TunnelUpstream, mark: number) {
    this.#upstream = upstream;
    this.#mark = mark;
  }

  /** @throws DialError */
  async open(target: TunnelTarget, signal: AbortSignal, timeoutMs: number): Promise<Duplex> {
    const session = await this.#connected(timeoutMs);
    if (signal.aborted) throw new DialError("connection_terminated");
    return askStream(session, this.#upstream, target, signal, timeoutMs);
  }

  close({ keep }: { keep: boolean }): void {
    for (const session of this.#open) {
      if (keep) session.close();
      else session.destroy();
    }
  }

  #connected(timeoutMs: number): Promise<ClientHttp2Session> {
    if (this.#session) return this.#session;
    const connecting = this.#connect(timeoutMs);
    this.#session = connecting;
    const forget = (): void => {
      if (this.#session === connecting) this.#session = undefined;
    };
    connecting.then((session) => {
      this.#open.add(session);
      session.on("goaway", forget);
      session.on("close", () => {
        this.#open.delete(session);
        forget();
      });
    }, forget);
    return connecting;
  }

  async #connect(timeoutMs: number): Promise<ClientHttp2Session> {
    const upstream = this.#upstream;
    const plan = planThrough({ ...upstream, tls: false }, { host: "", port: 0 }, this.#mark);
    const plain = await openPlan(plan, { timeoutMs });
    const socket = upstream.tls ? secured(plain, upstream) : plain;
    const session = connect(`${upstream.tls ? "https" : "http"}://${authorityOf(upstream)}`, {
      createConnection: () => socket,
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(new DialError("connection_timeout")), timeoutMs);
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        session.destroy();
        const detail = error instanceof Error ? error.message : undefined;
        reject((error instanceof DialError ? error : new DialError("tls_failed", detail)).at("reach"));
      };
      // Stays for the session's life: each stream has its own error to tell.
      session.on("error", fail);
      session.once("close", () => fail(new DialError("connection_terminated")));
      session.once("connect", () => {
        clearTimeout(timer);
        session.setLocalWindowSize(SESSION_WINDOW);
        resolve(session);
      });
    });
  }
}

function secured(plain: Socket, { host, ca }: TunnelUpstream): Socket {
  return connectTls({
    socket: plain,
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ALPNProtocols: ["h2"],
    ...(ca !== undefined && {
      secureContext: createSecureContext({ ca: [...getCACertificates("default"), ca] }),
    }),
  });
}

function askStream(
  session: ClientHttp2Session,
  { username, password }: TunnelUpstream,
  target: TunnelTarget,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<ClientHttp2Stream> {
  return new Promise((resolve, reject) => {
    const login =
      username === undefined ? undefined : Buffer.from(`${username}:${password ?? ""}`).toString("base64");
    const stream = session.request(
      {
        ":method": "CONNECT",
        ":authority": authorityOf(target),
        ...(login !== undefined && { "proxy-authorization": `Basic ${login}` }),
      },
      { endStream: false },
    );
    const timer = setTimeout(() => fail(new DialError("connection_timeout")), timeoutMs);
    const abort = (): void => fail(new DialError("connection_terminated"));
    signal.addEventListener("abort", abort, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
    const fail = (error: DialError): void => {
      settle();
      stream.close(constants.NGHTTP2_CANCEL);
      reject(error.at("ask"));
    };
    // Stays for the stream's life: an error between two owners must not end the process.
    stream.on("error", () => fail(new DialError("connection_terminated")));
    stream.once("close", () => fail(new DialError("connection_terminated")));
    stream.once("response", (headers) => {
      const status = Number(headers[":status"]);
      if (status < 200 || status > 299) return fail(refused(status, headers["proxy-status"]));
      settle();
      stream.pause();
      resolve(stream);
    });
  });
}

function refused(status: number, proxyStatus: string | string[] | undefined): DialError {
  const said = typeof proxyStatus === "string" ? ` (${proxyStatus})` : "";
  const code = status === 407 ? "upstream_denied" : status === 403 ? "forbidden_target" : "upstream_failed";
  return new DialError(code, `The upstream proxy answered ${status}${said}.`);
}
