import type { Socket } from "node:net";
import { dialThroughConnect, dialThroughSocks5 } from "@atlantic/native";
import { genericLogin, PLAIN_LOGIN } from "@atlantic/shared/exits/adapters/generic.ts";
import { oxylabsLogin } from "@atlantic/shared/exits/adapters/oxylabs.ts";
import { formatGatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ExitSelector, ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { UpstreamConfig } from "../config.ts";
import {
  basicAuthorization,
  DIAL_TIMEOUT_MS,
  type ExitUpstream,
  type ForwardingProxy,
  type TunnelTarget,
} from "./exit-upstream.ts";

interface Login {
  readonly username: string;
  readonly password: string;
}

/** How an exit and a session are written into the login that this upstream reads them from. */
type LoginFor = (exit: ExitSelector, session: ExitSession) => Login;

/** Exits behind one proxy that is told in the login where to leave. */
export class ProxyUpstream implements ExitUpstream {
  readonly kind: "gateway" | "provider";
  readonly name: string;
  readonly entry: { readonly host: string; readonly port: number };
  readonly #speaksSocks5: boolean;
  readonly #loginFor: LoginFor;

  constructor(config: UpstreamConfig) {
    const { kind, host, port } = config;
    this.kind = kind;
    this.entry = { host, port };
    this.name = `${config.kind === "gateway" ? "gateway" : config.provider} at ${host}:${port}`;
    this.#speaksSocks5 = config.kind === "provider" && config.provider === "socks5";
    this.#loginFor = loginOf(config);
  }

  async open(
    exit: ExitSelector,
    session: ExitSession,
    target: TunnelTarget,
    signal: AbortSignal,
  ): Promise<Socket> {
    const proxy = { ...this.entry, ...shownLogin(this.#loginFor(exit, session)) };
    const dial = this.#speaksSocks5 ? dialThroughSocks5 : dialThroughConnect;
    const { socket } = await dial({ proxy, target, signal, timeoutMs: DIAL_TIMEOUT_MS });
    return socket;
  }

  forwarding(exit: ExitSelector, session: ExitSession): ForwardingProxy | null {
    if (this.#speaksSocks5) return null;
    const { username, password } = this.#loginFor(exit, session);
    return { ...this.entry, authorization: basicAuthorization(username, password) };
  }
}

/** A proxy without an account wants no login at all. */
function shownLogin({ username, password }: Login): Login | Record<string, never> {
  return username === "" ? {} : { username, password };
}

function loginOf(config: UpstreamConfig): LoginFor {
  const { username, password } = config;
  if (config.kind === "gateway") {
    return (exit, session) => ({
      username: formatGatewayUsername({ credential: username, exit, session }),
      password,
    });
  }
  if (config.provider === "oxylabs") {
    return (exit, session) => oxylabsLogin({ username, password }, exit, session);
  }
  return (exit, session) => genericLogin(PLAIN_LOGIN, { username, password }, exit, session);
}
