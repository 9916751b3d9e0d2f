import { ProxyError } from "@atlantic/shared/errors.ts";
import { MASK } from "@atlantic/shared/exits/adapters/define-adapter.ts";
import type {
  BoundProvider,
  Evidence,
  ExitPart,
  ProviderRequest,
} from "@atlantic/shared/exits/adapters/provider-adapter.ts";
import {
  isProviderKind,
  type ProviderKind,
  providerAdapters,
} from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import type { ProviderSession } from "@atlantic/shared/exits/adapters/provider-session.ts";
import { type OfferedPlace, offeredPlaceSchema } from "@atlantic/shared/exits/adapters/upstream-entry.ts";
import { candidateExits } from "@atlantic/shared/exits/candidates.ts";
import type { ExitSelector, ExitSession } from "@atlantic/shared/exits/selector.ts";
import { z } from "zod";
import { buildUpstreams, type UpstreamsFile } from "./configuration.ts";
import type { Upstream } from "./upstream.ts";

/** What would come of asking one upstream. */
export interface ExplainedUpstream {
  /** Its name: `pool-<name>` asks for it. */
  readonly name: string;
  /** For people. */
  readonly label: string;
  /** Null when it would be asked; otherwise why not, naming the part. */
  readonly refusal: string | null;
  /** Whether the refusal names a part that it can never choose by: the first such one is what a client is told. */
  readonly namesPart?: true;
  /** How it would be asked, everything secret masked; null when it would not be, or when it is this machine's own. */
  readonly asked:
    | ({ readonly protocol: string; readonly host: string; readonly port: number } & {
        readonly username: string | null;
        readonly password: string | null;
      })
    | null;
  /** Who says that this is how the provider wants it: the provider, or only others; null without a provider. */
  readonly evidence: Evidence | null;
  /** The lifetime that the provider is asked for, in minutes; null where it takes none. */
  readonly lifetimeMinutes: number | null;
}

type Entry = UpstreamsFile["upstreams"][number];

/** Says what each upstream would be asked for an exit, in the order in which they would be. */
export function upstreamExplainer(
  file: UpstreamsFile,
): (exit: ExitSelector, session: ExitSession | null) => ExplainedUpstream[] {
  const ordered = buildUpstreams(file).flatMap((upstream) => {
    const entry = file.upstreams.find(({ name }) => name === upstream.name);
    return entry ? [{ entry, upstream }] : [];
  });
  return (exit, session) =>
    ordered.map(({ entry, upstream }) => {
      const { name, kind } = entry;
      if (exit.pool !== undefined && exit.pool !== name) {
        return refused(name, name, `It is not the pool ${exit.pool}.`);
      }
      return isProviderKind(kind) ? explainProvider(kind, entry, exit, session) : explainOwn(upstream, exit);
    });
}

function explainProvider(
  kind: ProviderKind,
  entry: Entry,
  exit: ExitSelector,
  session: ExitSession | null,
): ExplainedUpstream {
  const provider = providerAdapters[kind].bind(entry);
  const label = kind === "generic" ? entry.name : provider.adapter.label;
  const { places } = placesSchema.parse(entry);
  let refusal = "It offers no such place.";
  let namesPart = false;
  for (const candidate of candidateExits(exit, 0)) {
    if (places && !places.some((place) => isThere(place, candidate))) continue;
    const answer = show(provider, candidate, session);
    if (typeof answer !== "string") return asked(entry.name, label, provider, candidate, session, answer);
    if (!namesPart) [refusal, namesPart] = [answer, true];
  }
  return refused(entry.name, label, refusal, namesPart);
}

const placesSchema = z.object({ places: z.array(offeredPlaceSchema).optional() });

function isThere(place: OfferedPlace, exit: ExitSelector): boolean {
  const parts = ["country", "continent", "region", "city"] as const;
  return parts.every((part) => exit[part] === undefined || exit[part] === place[part]);
}

/** Exits of our own have no spelling: they are asked themselves. */
function explainOwn(upstream: Upstream, exit: ExitSelector): ExplainedUpstream {
  const { name } = upstream;
  let refusal = "It has no such exit.";
  let namesPart = false;
  for (const candidate of candidateExits(exit, 0)) {
    try {
      if (!upstream.choose(candidate, undefined)) continue;
      return { name, label: name, refusal: null, asked: null, evidence: null, lifetimeMinutes: null };
    } catch (error) {
      if (!namesPart) [refusal, namesPart] = [noExitOf(error), true];
    }
  }
  return refused(name, name, refusal, namesPart);
}

/** @throws what is no refusal */
function noExitOf(error: unknown): string {
  if (error instanceof ProxyError && error.code === "no_exit") return error.message;
  throw error;
}

function refused(name: string, label: string, refusal: string, namesPart = false): ExplainedUpstream {
  const plain = { name, label, refusal, asked: null, evidence: null, lifetimeMinutes: null };
  return namesPart ? { ...plain, namesPart } : plain;
}

function show(
  provider: BoundProvider,
  exit: ExitSelector,
  session: ExitSession | null,
): ProviderRequest | string {
  try {
    return provider.show(exit, exampleSession(provider, session));
  } catch (error) {
    return noExitOf(error);
  }
}

/** The real id is drawn from a key that only the gateway has. */
function exampleSession(
  { session: rules }: BoundProvider,
  session: ExitSession | null,
): ProviderSession | undefined {
  if (session === null || rules === null) return undefined;
  const id = rules.id.kind === "text" ? MASK : String(rules.id.minimum);
  return { ...session, id };
}

function asked(
  name: string,
  label: string,
  provider: BoundProvider,
  exit: ExitSelector,
  session: ExitSession | null,
  { host, port, username, password }: ProviderRequest,
): ExplainedUpstream {
  const rules = provider.session;
  const lifetime = session && rules?.lifetime;
  return {
    name,
    label,
    refusal: null,
    asked: {
      protocol: provider.protocol,
      host,
      port,
      username: username ?? null,
      password: password ?? null,
    },
    evidence: evidenceOf(provider, exit, session),
    lifetimeMinutes: lifetime
      ? Math.min(Math.max(session.lifetimeMinutes, lifetime.minimum), lifetime.maximum)
      : null,
  };
}

/** As weak as the weakest part that is used. */
function evidenceOf(
  { adapter, session: rules }: BoundProvider,
  exit: ExitSelector,
  session: ExitSession | null,
): Evidence {
  const parts = Object.entries(adapter.chooses).filter(([part]) => exit[part as ExitPart] !== undefined);
  const used = [...parts.map(([, evidence]) => evidence), ...(session && rules ? [rules.evidence] : [])];
  return used.includes("community") ? "community" : "vendor";
}
