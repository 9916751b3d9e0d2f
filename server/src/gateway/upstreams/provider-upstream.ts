import { createHash } from "node:crypto";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { DialError, type DialPlan, openPlan } from "@atlantic/native";
import { ProxyError, type ProxyErrorCode, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { ProviderLogin, ProviderSession } from "@atlantic/shared/exits/adapters/provider-session.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { CheckedTarget } from "../target-guard.ts";
import type { ChosenExit, ExitPlace, LiveSession, Upstream } from "./upstream.ts";

const PROBE_MS = 5_000;

export interface ProviderOptions {
  readonly name: string;
  readonly protocol: "http" | "https" | "socks5";
  readonly host: string;
  readonly port: number;
  /** How many characters the provider's session ids have. */
  readonly sessionIdLength: number;
  /** null: the provider's exits are anywhere, and the selector is left to it. */
  readonly places: readonly ExitPlace[] | null;
  /** Authorities for the upstream's certificate besides the system's. */
  readonly ca?: string;
  /** @throws ProxyError `no_exit` when the provider cannot choose what is asked for */
  readonly login: (exit: ExitSelector, session: ProviderSession | undefined) => ProviderLogin | undefined;
  /** What the provider means by a refusal. */
  readonly refusal?: (status: number, text: string) => ProxyErrorCode | undefined;
}

/** A provider's entry point, reached by CONNECT or SOCKS5; plain HTTP goes through a tunnel as well. */
export function providerUpstream(options: ProviderOptions): Upstream {
  return {
    name: options.name,
    places: options.places ?? [],
    probe: () => reach(options),
    choose(exit: ExitSelector, session: LiveSession | undefined): ChosenExit | undefined {
      if (exit.pool !== undefined && exit.pool !== options.name) return undefined;
      const fitting = options.places?.filter((place) => fits(place, exit));
      if (fitting?.length === 0) return undefined;
      const login = loginFor(options, exit, session);
      if (login === "cannot choose") return undefined;
      // Of several places the provider takes any that fits: only the one that was asked for may be named.
      const place = options.places?.length === 1 ? fitting?.[0] : fitting?.find((one) => isAsked(one, exit));
      return {
        upstream: options.name,
        country: exit.country ?? place?.country ?? null,
        city: exit.city ?? place?.city ?? null,
        label: place?.label ?? exit.country?.toUpperCase() ?? null,
        address: null,
        key: `${options.name} ${session?.key ?? ""} ${login?.username ?? ""}`,
        plan: (target) => plan(options, login, target),
        explain: (error) => inOurWords(options, error),
      };
    },
  };
}

function loginFor(
  options: ProviderOptions,
  exit: ExitSelector,
  session: LiveSession | undefined,
): ProviderLogin | undefined | "cannot choose" {
  try {
    return options.login(exit, session && providerSession(options, session));
  } catch (error) {
    if (error instanceof ProxyError && error.code === "no_exit") return "cannot choose";
    throw error;
  }
}

/** Stable for the session's life, another for each provider, and of letters and digits that all of them take. */
function providerSession(options: ProviderOptions, session: LiveSession): ProviderSession {
  const digest = createHash("sha256").update(`${options.name} ${session.key}`).digest("hex");
  return {
    id: digest.slice(0, options.sessionIdLength),
    lifetimeMinutes: session.lifetimeMinutes,
    mode: session.mode,
  };
}

function fits(place: ExitPlace, { country, region, city }: ExitSelector): boolean {
  return (
    (country === undefined || country === place.country) &&
    (region === undefined || region === place.region) &&
    (city === undefined || city === place.city)
  );
}

/** Whether the selector names exactly this place; a city needs no region. */
function isAsked(place: ExitPlace, { country, region, city }: ExitSelector): boolean {
  if (place.country !== country || place.city !== (city ?? null)) return false;
  return place.city !== null || place.region === (region ?? null);
}

async function plan(
  options: ProviderOptions,
  login: ProviderLogin | undefined,
  { host, port }: CheckedTarget,
): Promise<DialPlan> {
  return {
    addresses: await addressesOf(options.host),
    port: options.port,
    proxy: {
      protocol: options.protocol === "socks5" ? "socks5" : "connect",
      ...(options.protocol === "https" && {
        tls: { serverName: options.host, ...(options.ca !== undefined && { ca: options.ca }) },
      }),
      ...login,
      target: { host, port },
    },
  };
}

/** Connects, and asks nothing. */
async function reach(options: ProviderOptions): Promise<void> {
  const target = { host: "", port: 0, addresses: [], addressPort: 0 };
  const socket = await openPlan(await plan(options, undefined, target), { timeoutMs: PROBE_MS });
  socket.destroy();
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const answers = await lookup(host, { all: true, order: "verbatim" });
  return answers.map(({ address }) => address);
}

/** Codes that would blame the client for what the provider thinks of our own account. */
const aboutOurAccount: ReadonlySet<ProxyErrorCode> = new Set([
  "wrong_credentials",
  "authentication_required",
  "quota_exhausted",
  "bad_username",
  "too_many_attempts",
]);

function inOurWords(options: ProviderOptions, error: unknown): ProxyError {
  if (!(error instanceof DialError)) return proxyErrorOf(error);
  if (error.refusal === undefined) return withoutAnswer(error);
  const words = [error.refusal.reason, ...error.refusal.headers.values()].join(" ");
  const known = options.protocol === "socks5" ? undefined : options.refusal?.(error.refusal.status, words);
  if (known) return new ProxyError(known, undefined, { cause: error });
  if (aboutOurAccount.has(error.code)) return new ProxyError("upstream_denied", undefined, { cause: error });
  return error;
}

/** A provider that gave no answer said nothing about the target. */
function withoutAnswer(error: DialError): ProxyError {
  const { code } = error;
  if (code === "connection_timeout") return new ProxyError("upstream_timeout", undefined, { cause: error });
  if (code === "tls_failed" || code === "internal" || code === "upstream_denied") return error;
  if (error.stage === "ask" && code === "bad_response") return error;
  return new ProxyError("upstream_unreachable", undefined, { cause: error });
}
