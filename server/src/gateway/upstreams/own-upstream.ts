import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { DialError, type DialPlan, openPlan } from "@atlantic/native";
import { ProxyError, type ProxyErrorCode, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import { proofOf, signAsk } from "../exit-role/exit-token.ts";
import { PROOF_FIELD, writeSource } from "../exit-role/exit-words.ts";
import type { NameCache } from "../name-cache.ts";
import type { CheckedTarget } from "../target-guard.ts";
import type { ChosenExit, ExitPlace, LiveSession, Upstream } from "./upstream.ts";
import type { BreakerSettings } from "./upstream-health.ts";

const PROBE_MS = 5_000;

/** A place of an own exit with the addresses that it leaves from there. */
export interface OwnPlace extends ExitPlace {
  /** None: whatever address the machine has. */
  readonly addresses: readonly string[];
}

export interface OwnExitOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Shared with the exit. */
  readonly key: Uint8Array;
  /** TLS to it, with authorities besides the system's. */
  readonly tls?: { readonly ca?: string };
  readonly places: readonly OwnPlace[];
  readonly breaker?: BreakerSettings;
  readonly names: NameCache;
}

/** A gateway of ours on another machine with the role `exit`. Each of its addresses is an exit. */
export function ownUpstream(options: OwnExitOptions): Upstream {
  const chosenFor = new WeakMap<LiveSession, ChosenExit>();
  return {
    name: options.name,
    places: options.places,
    ...(options.breaker && { breaker: options.breaker }),
    choose(exit, session) {
      const known = session && chosenFor.get(session);
      if (known) return known;
      const chosen = choose(options, exit, session);
      if (session && chosen) chosenFor.set(session, chosen);
      return chosen;
    },
    async probe() {
      const plan = await planTo(options, undefined);
      (await openPlan(plan, { timeoutMs: PROBE_MS })).destroy();
    },
  };
}

/** An address of a place that fits. */
interface Leaving {
  readonly place: OwnPlace;
  readonly from: string | null;
}

function choose(
  options: OwnExitOptions,
  exit: ExitSelector,
  session: LiveSession | undefined,
): ChosenExit | undefined {
  if (exit.postalCode !== undefined || exit.asn !== undefined) return undefined;
  const leaving = options.places
    .filter((place) => fits(place, exit))
    .flatMap((place) =>
      (place.addresses.length === 0 ? [null] : place.addresses).map((from) => ({ place, from })),
    );
  const chosen = session ? drawn(leaving, session.key) : leaving[Math.floor(Math.random() * leaving.length)];
  if (chosen === undefined) return undefined;
  const { place, from } = chosen;
  return {
    upstream: options.name,
    country: place.country,
    city: place.city,
    label: place.label,
    address: from,
    key: `${options.name} ${place.id} ${from ?? session?.key ?? ""}`,
    plan: (target) => planTo(options, { target, from }),
    explain: inOurWords,
  };
}

function fits(place: OwnPlace, { country, continent, region, city, ispTier }: ExitSelector): boolean {
  return (
    (country === undefined || country === place.country) &&
    (continent === undefined || continent === place.continent) &&
    (region === undefined || region === place.region) &&
    (city === undefined || city === place.city) &&
    (ispTier === undefined || ispTier === place.network)
  );
}

/** The one with the highest draw: where an address comes or goes, only the sessions that had it move. */
function drawn(leaving: readonly Leaving[], key: string): Leaving | undefined {
  const draw = ({ place, from }: Leaving) =>
    createHash("sha256")
      .update(`${key} ${place.id} ${from ?? ""}`)
      .digest("hex");
  return leaving.toSorted((one, other) => (draw(one) < draw(other) ? 1 : -1))[0];
}

type Ask = { readonly target: CheckedTarget; readonly from: string | null };

function planTo(options: OwnExitOptions, ask: Ask | undefined): DialPlan | Promise<DialPlan> {
  const { host, port } = options;
  const addresses = isIP(host) === 0 ? addressesOf(options.names, host) : [host];
  return addresses instanceof Promise
    ? addresses.then((found) => planAt(options, found, port, ask))
    : planAt(options, addresses, port, ask);
}

function planAt(
  { host, key, tls }: OwnExitOptions,
  addresses: readonly string[],
  port: number,
  ask: Ask | undefined,
): DialPlan {
  const target = { host: ask?.target.host ?? "", port: ask?.target.port ?? 0 };
  const token = signAsk(key, { ...target, from: ask?.from ?? null }, Date.now());
  return {
    addresses,
    port,
    proxy: {
      protocol: "connect",
      ...(tls && { tls: { serverName: host, ...tls } }),
      username: writeSource(ask?.from ?? null),
      password: token,
      target,
      expects: { field: PROOF_FIELD.toLowerCase(), value: proofOf(key, token) },
    },
  };
}

async function addressesOf(names: NameCache, host: string): Promise<readonly string[]> {
  try {
    return await names.addressesOf(host);
  } catch (cause) {
    throw new DialError("dns_error", undefined, { cause }).at("reach");
  }
}

/** Codes by which the exit would refuse this gateway, and not the client. */
const aboutUs: ReadonlySet<ProxyErrorCode> = new Set([
  "authentication_required",
  "malformed_request",
  "internal",
]);

/** The exit speaks our own language: what it says of the target holds. */
function inOurWords(error: unknown): ProxyError {
  if (!(error instanceof DialError)) return proxyErrorOf(error);
  const { code, refusal } = error;
  if (refusal !== undefined) {
    return aboutUs.has(code)
      ? new ProxyError("upstream_denied", undefined, { cause: error })
      : new ProxyError(code, undefined, { cause: error });
  }
  if (code === "connection_timeout") return new ProxyError("upstream_timeout", undefined, { cause: error });
  if (code === "tls_failed" || code === "upstream_denied" || code === "bad_response") return error;
  return new ProxyError("upstream_unreachable", undefined, { cause: error });
}
