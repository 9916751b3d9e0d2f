import type { UsageQuery } from "@atlantic/shared/exits/adapters/usage-source.ts";
import { type Kysely, sql } from "kysely";
import type { Schema } from "../../db/schema.ts";
import type { Difference } from "./difference.ts";

/** A provider that says what it counted. */
export interface ProviderUsageSource {
  /** The upstream's name in the configuration. */
  readonly upstream: string;
  /** The bytes it counted in a span, both directions. @throws when it does not answer as it should */
  bytes(span: { readonly from: number; readonly until: number }): Promise<bigint>;
}

/** A provider's figure beside ours. */
export interface ProviderComparison {
  readonly upstream: string;
  /** Decimal text; null when the provider could not be asked. */
  readonly theirs: string | null;
  readonly ours: string;
  /** How far apart they may be: providers count handshakes and heads differently. */
  readonly tolerance: string;
  readonly problem: string | null;
}

/** Two percent, and a mebibyte for what few bytes leave to chance. */
const TOLERANCE_DIVISOR = 50n;
const TOLERANCE_BYTES = 1_048_576n;
const PATIENCE_MS = 20_000;

/** Asks a provider over HTTP as its adapter says. The key is a secret and goes nowhere else. */
export function providerUsage(
  upstream: string,
  query: UsageQuery,
  key: string,
  fetchAnswer: typeof fetch = fetch,
): ProviderUsageSource {
  return {
    upstream,
    async bytes(span) {
      const { url, body, ...request } = query.request(key, span);
      const answer = await fetchAnswer(url, {
        ...request,
        ...(body !== undefined && { body }),
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (!answer.ok) throw new Error(`The provider answered ${answer.status}.`);
      return query.read(await answer.json());
    },
  };
}

/** Our bytes by upstream against the providers' own, in a span of whole hours. */
export async function compareProviders(
  db: Kysely<Schema>,
  sources: readonly ProviderUsageSource[],
  span: { readonly from: number; readonly until: number },
): Promise<{ differences: Difference[]; providers: ProviderComparison[] }> {
  const differences: Difference[] = [];
  const providers: ProviderComparison[] = [];
  for (const source of sources) {
    const ours = await bytesOf(db, source.upstream, span);
    const theirs = await source.bytes(span).catch((error: unknown) => String(error));
    const tolerance = ours / TOLERANCE_DIVISOR + TOLERANCE_BYTES;
    const problem = typeof theirs === "string" ? theirs : null;
    providers.push({
      upstream: source.upstream,
      theirs: typeof theirs === "bigint" ? String(theirs) : null,
      ours: String(ours),
      tolerance: String(tolerance),
      problem,
    });
    if (typeof theirs === "string") continue;
    const delta = theirs - ours;
    if (delta <= tolerance && -delta <= tolerance) continue;
    differences.push({
      book: "provider",
      subject: source.upstream,
      hour: null,
      delta: String(delta),
      sentence: `The provider counted ${theirs} bytes and we ${ours}; ${tolerance} apart would be allowed.`,
    });
  }
  return { differences, providers };
}

async function bytesOf(
  db: Kysely<Schema>,
  upstream: string,
  { from, until }: { from: number; until: number },
): Promise<bigint> {
  const { rows } = await sql<{ bytes: bigint }>`
    select coalesce(sum(rise) filter (where at >= ${new Date(from)} and at < ${new Date(until)}), 0)::int8 as bytes
    from (
      select closed_at as at, sent_bytes + received_bytes + uncharged_sent_bytes + uncharged_received_bytes as rise
      from proxy_connections
      where closed_at >= ${new Date(from)} and closed_at < ${new Date(until)} and last_seq = 0 and upstream = ${upstream}
      union all
      select e.at, total - lag(total, 1, 0::int8) over (partition by e.connection_id order by e.seq) as rise
      from (
        select connection_id, seq, at, sent_bytes_total + received_bytes_total
          + uncharged_sent_bytes_total + uncharged_received_bytes_total as total
        from usage_events
        where connection_id in (
          select connection_id from usage_events where at >= ${new Date(from)} and at < ${new Date(until)}
        )
      ) e join proxy_connections c on c.id = e.connection_id and c.upstream = ${upstream}
    ) rises
  `.execute(db);
  return rows[0]?.bytes ?? 0n;
}
