import { isIP, isIPv4 } from "node:net";
import { DialError, type DialPlan, openPlan, type PlannedProxy } from "@atlantic/native";
import { ProxyError, type ProxyErrorCode, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { BoundProvider, ProviderRequest } from "@atlantic/shared/exits/adapters/provider-adapter.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { NameCache } from "../name-cache.ts";
import type { CheckedTarget } from "../target-guard.ts";
import type { DatagramExit } from "../udp/datagram-exit.ts";
import { socks5Datagrams } from "../udp/socks5-datagrams.ts";
import { providerSessionOf } from "./provider-session.ts";
import type { ChosenExit, ExitPlace, LiveSession, Upstream } from "./upstream.ts";
import type { BreakerSettings } from "./upstream-health.ts";

const PROBE_MS = 5_000;

export interface ProviderOptions {
  readonly name: string;
  readonly provider: BoundProvider;
  /** null: the provider's exits are anywhere, and the selector is left to it. */
  readonly places: readonly ExitPlace[] | null;
  /** Authorities for the upstream's certificate besides the system's. */
  readonly ca?: string;
  /** Whether it is given the address that was checked in place of the target's name. */
  readonly resolveHere: boolean;
  readonly breaker?: BreakerSettings;
  /** Where its own name is looked up. */
  readonly names: NameCache;
}

/** A provider's entry point, reached by CONNECT or SOCKS5; plain HTTP goes through a tunnel as well. */
export function providerUpstream(options: ProviderOptions): Upstream {
  const choices = new Choices(options);
  return {
    name: options.name,
    places: options.places ?? [],
    ...(options.breaker && { breaker: options.breaker }),
    choose: (exit, session) => choices.of(exit, session),
    probe: () => reach(options),
  };
}

/** What was chosen for a wish or a session holds for all that come with it: spelling a login again would say the same. */
class Choices {
  readonly #options: ProviderOptions;
  readonly #ofWish = new WeakMap<ExitSelector, ChosenExit>();
  readonly #ofSession = new WeakMap<
    LiveSession,
    { readonly country: string | undefined; readonly exit: ChosenExit }
  >();

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  /** @throws ProxyError `no_exit` when the provider cannot choose what is asked for */
  of(exit: ExitSelector, session: LiveSession | undefined): ChosenExit | undefined {
    if (session === undefined) {
      const known = this.#ofWish.get(exit) ?? choose(this.#options, exit, undefined);
      if (known) this.#ofWish.set(exit, known);
      return known;
    }
    const known = this.#ofSession.get(session);
    if (known && known.country === exit.country) return known.exit;
    const chosen = choose(this.#options, exit, session);
    if (chosen) this.#ofSession.set(session, { country: exit.country, exit: chosen });
    return chosen;
  }
}

function choose(
  options: ProviderOptions,
  exit: ExitSelector,
  session: LiveSession | undefined,
): ChosenExit | undefined {
  const { name, provider, places } = options;
  if (exit.pool !== undefined && exit.pool !== name) return undefined;
  const fitting = places?.filter((place) => fits(place, exit));
  if (fitting?.length === 0) return undefined;
  const request = provider.ask(exit, session && providerSessionOf(provider, name, session));
  // Of several places the provider takes any that fits: only the one that was asked for may be named.
  const place = places?.length === 1 ? fitting?.[0] : fitting?.find((one) => isAsked(one, exit));
  const keepAliveMs = session && provider.session?.keepAliveMs;
  return {
    upstream: name,
    country: exit.country ?? place?.country ?? null,
    city: exit.city ?? place?.city ?? null,
    label: place?.label ?? exit.country?.toUpperCase() ?? null,
    address: null,
    key: `${name} ${session?.key ?? ""} ${request.username ?? ""}`,
    ...(keepAliveMs && { keepAliveMs }),
    plan: (target) => plan(options, request, target),
    ...(provider.protocol === "socks5" && provider.adapter.udp && { datagrams: datagrams(options, request) }),
    explain: (error) => inOurWords(options, error, session !== undefined),
  };
}

function fits(place: ExitPlace, { country, continent, region, city }: ExitSelector): boolean {
  return (
    (country === undefined || country === place.country) &&
    (continent === undefined || continent === place.continent) &&
    (region === undefined || region === place.region) &&
    (city === undefined || city === place.city)
  );
}

/** Whether the selector names exactly this place; a city needs no region. */
function isAsked(place: ExitPlace, { country, region, city }: ExitSelector): boolean {
  if (place.country !== country || place.city !== (city ?? null)) return false;
  return place.city !== null || place.region === (region ?? null);
}

function plan(
  options: ProviderOptions,
  request: ProviderRequest,
  target: CheckedTarget,
): DialPlan | Promise<DialPlan> {
  const proxy = proxyOf(options, request, target);
  const addresses = addressesOf(options.names, request.host);
  return addresses instanceof Promise
    ? addresses.then((found) => ({ addresses: found, port: request.port, proxy }))
    : { addresses, port: request.port, proxy };
}

function proxyOf(options: ProviderOptions, request: ProviderRequest, target: CheckedTarget): PlannedProxy {
  const { username, password } = request;
  const { protocol } = options.provider;
  return {
    protocol: protocol === "socks5" ? "socks5" : "connect",
    ...(protocol === "https" && {
      tls: { serverName: request.host, ...(options.ca !== undefined && { ca: options.ca }) },
    }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    target: { host: options.resolveHere ? checkedAddress(target) : target.host, port: target.port },
  };
}

function datagrams({ resolveHere }: ProviderOptions, request: ProviderRequest): DatagramExit {
  const { host, port, username, password } = request;
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  return socks5Datagrams({ host, port, ...login }, resolveHere ? checkedAddress : (target) => target.host);
}

/** Every exit has IPv4; not every one has IPv6. */
function checkedAddress({ host, addresses }: CheckedTarget): string {
  return addresses.find((address) => isIPv4(address)) ?? addresses[0] ?? host;
}

/** @throws DialError of the stage `reach` */
function addressesOf(names: NameCache, host: string): readonly string[] | Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    const found = names.addressesOf(host);
    return found instanceof Promise ? found.catch((error) => Promise.reject(unknownName(error))) : found;
  } catch (error) {
    throw unknownName(error);
  }
}

function unknownName(cause: unknown): DialError {
  return new DialError("dns_error", undefined, { cause }).at("reach");
}

/** Connects, and asks nothing. */
async function reach(options: ProviderOptions): Promise<void> {
  const request = anyRequest(options);
  // Where it is depends on what is asked of it: the next flow will find out.
  if (request === undefined) return;
  const nobody = { host: "", port: 0, addresses: [], addressPort: 0 };
  const socket = await openPlan(await plan(options, request, nobody), { timeoutMs: PROBE_MS });
  socket.destroy();
}

function anyRequest({ provider }: ProviderOptions): ProviderRequest | undefined {
  try {
    return provider.ask({}, undefined);
  } catch {
    return undefined;
  }
}

/** Codes that would blame the client for what the provider thinks of our own account. */
const aboutOurAccount: ReadonlySet<ProxyErrorCode> = new Set([
  "wrong_credentials",
  "authentication_required",
  "quota_exhausted",
  "bad_username",
  "too_many_attempts",
  "connection_limit",
  "request_limit",
]);

function inOurWords({ provider }: ProviderOptions, error: unknown, hasSession: boolean): ProxyError {
  if (!(error instanceof DialError)) return proxyErrorOf(error);
  const { refusal } = error;
  if (refusal === undefined) return withoutAnswer(error);
  const code = (provider.protocol === "socks5" ? undefined : provider.adapter.refusal(refusal)) ?? error.code;
  if (aboutOurAccount.has(code)) return new ProxyError("upstream_denied", undefined, { cause: error });
  // Some say the same of every exit that went away.
  if (code === "session_lost" && !hasSession)
    return new ProxyError("upstream_failed", undefined, { cause: error });
  return code === error.code ? error : new ProxyError(code, undefined, { cause: error });
}

/** A provider that gave no answer said nothing about the target. */
function withoutAnswer(error: DialError): ProxyError {
  const { code } = error;
  if (code === "connection_timeout") return new ProxyError("upstream_timeout", undefined, { cause: error });
  if (code === "tls_failed" || code === "internal" || code === "upstream_denied") return error;
  if (error.stage === "ask" && code === "bad_response") return error;
  return new ProxyError("upstream_unreachable", undefined, { cause: error });
}
