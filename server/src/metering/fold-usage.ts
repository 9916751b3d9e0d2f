import { type Kysely, sql, type Transaction } from "kysely";
import type { Schema } from "../db/schema.ts";
import { type UsageEvent, usageEventId } from "./usage-event.ts";
import type { ConnectionRecord } from "./usage-recorder.ts";

/** What an account has left after a fold. */
export interface BalanceAfter {
  readonly userId: string;
  readonly remainingBytes: bigint;
}

/**
 * Writes usage events exactly once and adds what they bring to the connections, the hours and the balances, all in one
 * transaction. Totals only rise: an event that is known already, or that an event of a later moment overtook, adds
 * nothing, and a lost event is made good by the next one. Events of deleted accounts are dropped.
 *
 * @returns the balances of the accounts in the batch
 */
export async function foldUsage(
  db: Kysely<Schema>,
  gatewayId: string,
  events: readonly UsageEvent[],
): Promise<BalanceAfter[]> {
  if (events.length === 0) return [];
  return db.transaction().execute(async (transaction) => {
    const begun = await insertConnections(transaction, gatewayId, events);
    const known = await lockConnections(transaction, events, begun);
    const fresh = await insertEvents(transaction, gatewayId, events, known);
    const folded = fold(fresh, known);
    await updateConnections(
      transaction,
      folded.connections.filter(({ id }) => !begun.has(id)),
    );
    await addToHours(transaction, folded.hours);
    return addToBalances(transaction, folded.bytesOfUser);
  });
}

/** A connection as it stands in the database. */
interface Standing {
  readonly id: string;
  readonly sent: bigint;
  readonly received: bigint;
  readonly requests: bigint;
  readonly lastSeq: number;
  readonly closed: boolean;
}

function unseen(id: string): Standing {
  return { id, sent: 0n, received: 0n, requests: 0n, lastSeq: 0, closed: false };
}

/**
 * Inserts the rows that may be missing, with all that the batch says of them: a short connection is written once.
 * @returns the ids of those that were missing indeed
 */
async function insertConnections(
  db: Transaction<Schema>,
  gatewayId: string,
  events: readonly UsageEvent[],
): Promise<Set<string>> {
  const records = new Map<string, ConnectionRecord>();
  for (const { connection, connectionStored } of events) {
    if (!connectionStored) records.set(connection.id, connection);
  }
  if (records.size === 0) return new Set();
  const states = statesAfter(events, new Map([...records.keys()].map((id) => [id, unseen(id)])));
  const rows = [...records.values()].flatMap((record) => {
    const state = states.get(record.id);
    return state ? [{ record, state }] : [];
  });
  const column = <Value>(pick: (row: (typeof rows)[number]) => Value) => rows.map(pick);
  const inserted = await sql<{ id: string }>`
    insert into proxy_connections (
      id, user_id, credential_id, gateway_id, client, protocol, target_host, target_port,
      exit_country, exit_city, exit_label, exit_address, upstream, opened_at,
      sent_bytes, received_bytes, requests, last_seq, closed_at, outcome
    )
    select c.id, k.user_id, k.id, ${gatewayId}, c.client, c.protocol, c.target_host, c.target_port,
      c.exit_country, c.exit_city, c.exit_label, c.exit_address, c.upstream, c.opened_at,
      c.sent_bytes, c.received_bytes, c.requests, c.last_seq, c.closed_at, c.outcome
    from unnest(
      ${column(({ record }) => record.id)}::uuid[], ${column(({ record }) => record.credentialId)}::text[],
      ${column(({ record }) => record.client)}::text[], ${column(({ record }) => record.protocol)}::text[],
      ${column(({ record }) => record.targetHost)}::text[], ${column(({ record }) => record.targetPort)}::int[],
      ${column(({ record }) => record.exitCountry)}::text[], ${column(({ record }) => record.exitCity)}::text[],
      ${column(({ record }) => record.exitLabel)}::text[], ${column(({ record }) => record.exitAddress)}::text[],
      ${column(({ record }) => record.upstream)}::text[],
      ${column(({ record }) => new Date(record.openedAt).toISOString())}::timestamptz[],
      ${column(({ state }) => String(state.sent))}::bigint[],
      ${column(({ state }) => String(state.received))}::bigint[],
      ${column(({ state }) => String(state.requests))}::bigint[], ${column(({ state }) => state.lastSeq)}::int[],
      ${column(({ state }) => (state.end ? new Date(state.end.at).toISOString() : null))}::timestamptz[],
      ${column(({ state }) => state.end?.outcome ?? null)}::text[]
    ) as c (
      id, credential_id, client, protocol, target_host, target_port,
      exit_country, exit_city, exit_label, exit_address, upstream, opened_at,
      sent_bytes, received_bytes, requests, last_seq, closed_at, outcome
    )
    join proxy_credentials k on k.id = c.credential_id
    on conflict (id) do nothing
    returning id
  `.execute(db);
  return new Set(inserted.rows.map(({ id }) => id));
}

/**
 * How the batch's connections stood before it. Rows are locked in one order everywhere, so that two folds never wait
 * for each other; those that have just begun are nobody else's yet.
 */
async function lockConnections(
  db: Transaction<Schema>,
  events: readonly UsageEvent[],
  begun: ReadonlySet<string>,
): Promise<Map<string, Standing>> {
  const known = new Map([...begun].map((id) => [id, unseen(id)]));
  const ids = [...new Set(events.map(({ connection }) => connection.id))].filter((id) => !begun.has(id));
  if (ids.length === 0) return known;
  const { rows } = await sql<{
    id: string;
    sent_bytes: bigint;
    received_bytes: bigint;
    requests: bigint;
    last_seq: number;
    closed: boolean;
  }>`
    select id, sent_bytes, received_bytes, requests, last_seq, closed_at is not null as closed
    from proxy_connections where id = any(${ids}::uuid[]) order by id for update
  `.execute(db);
  for (const row of rows) {
    known.set(row.id, {
      id: row.id,
      sent: row.sent_bytes,
      received: row.received_bytes,
      requests: row.requests,
      lastSeq: row.last_seq,
      closed: row.closed,
    });
  }
  return known;
}

/** @returns the events that were not there yet */
async function insertEvents(
  db: Transaction<Schema>,
  gatewayId: string,
  events: readonly UsageEvent[],
  known: ReadonlyMap<string, Standing>,
): Promise<UsageEvent[]> {
  const byId = new Map(
    events
      .filter(({ connection }) => known.has(connection.id))
      .map((event) => [usageEventId(gatewayId, event.connection.id, event.seq), event]),
  );
  const rows = [...byId];
  const column = <Value>(pick: (event: UsageEvent) => Value) => rows.map(([, event]) => pick(event));
  const inserted = await sql<{ id: string }>`
    insert into usage_events (
      id, connection_id, seq, sent_bytes_total, received_bytes_total, requests_total, at
    )
    select * from unnest(
      ${[...byId.keys()]}::uuid[], ${column(({ connection }) => connection.id)}::uuid[],
      ${column(({ seq }) => seq)}::int[], ${column(({ sentBytes }) => String(sentBytes))}::bigint[],
      ${column(({ receivedBytes }) => String(receivedBytes))}::bigint[],
      ${column(({ requests }) => String(requests))}::bigint[],
      ${column(({ at }) => new Date(at).toISOString())}::timestamptz[]
    )
    on conflict do nothing
    returning id
  `.execute(db);
  return inserted.rows.flatMap(({ id }) => byId.get(id) ?? []);
}

interface HourlyUsage {
  readonly userId: string;
  readonly credentialId: string;
  readonly hour: number;
  readonly country: string;
  readonly protocol: string;
  sent: bigint;
  received: bigint;
  requests: bigint;
  failed: bigint;
}

interface ConnectionChange extends Standing {
  readonly end: { readonly at: number; readonly outcome: string } | undefined;
}

interface Folded {
  readonly connections: readonly ConnectionChange[];
  readonly hours: readonly HourlyUsage[];
  readonly bytesOfUser: ReadonlyMap<string, bigint>;
}

const HOUR_MS = 3_600_000;

/** What the fresh events add to what stands. */
function fold(fresh: readonly UsageEvent[], known: ReadonlyMap<string, Standing>): Folded {
  const hours = new Map<string, HourlyUsage>();
  const bytesOfUser = new Map<string, bigint>();
  const connections = statesAfter(fresh, known, (event, before, after) => {
    const { userId } = event.connection;
    const hour = hourOf(hours, event);
    hour.sent += after.sent - before.sent;
    hour.received += after.received - before.received;
    hour.requests += after.requests - before.requests;
    if (after.closed && !before.closed && event.end?.failed) hour.failed += 1n;
    const bytes = after.sent - before.sent + after.received - before.received;
    bytesOfUser.set(userId, (bytesOfUser.get(userId) ?? 0n) + bytes);
  });
  return { connections: [...connections.values()], hours: [...hours.values()], bytesOfUser };
}

/** The connections as they stand after these events, each step shown on the way. */
function statesAfter(
  events: readonly UsageEvent[],
  known: ReadonlyMap<string, Standing>,
  step: (event: UsageEvent, before: Standing, after: Standing) => void = () => {},
): Map<string, ConnectionChange> {
  const states = new Map<string, ConnectionChange>();
  for (const event of [...events].sort((a, b) => a.seq - b.seq)) {
    const before = states.get(event.connection.id) ?? known.get(event.connection.id);
    if (before === undefined) continue;
    const after = advance(before, event);
    step(event, before, after);
    states.set(event.connection.id, after);
  }
  return states;
}

function advance(before: Standing & { end?: ConnectionChange["end"] }, event: UsageEvent): ConnectionChange {
  const { end } = event;
  return {
    id: before.id,
    sent: larger(before.sent, event.sentBytes),
    received: larger(before.received, event.receivedBytes),
    requests: larger(before.requests, event.requests),
    lastSeq: Math.max(before.lastSeq, event.seq),
    closed: before.closed || end !== undefined,
    end: before.end ?? (end && !before.closed ? { at: event.at, outcome: end.outcome } : undefined),
  };
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

function hourOf(hours: Map<string, HourlyUsage>, { connection, at }: UsageEvent): HourlyUsage {
  const { userId, credentialId, protocol } = connection;
  const hour = at - (at % HOUR_MS);
  const country = connection.exitCountry ?? "";
  const key = [userId, hour, credentialId, country, protocol].join(" ");
  const found = hours.get(key);
  if (found) return found;
  const added = {
    userId,
    credentialId,
    hour,
    country,
    protocol,
    sent: 0n,
    received: 0n,
    requests: 0n,
    failed: 0n,
  };
  hours.set(key, added);
  return added;
}

async function updateConnections(
  db: Transaction<Schema>,
  changes: readonly ConnectionChange[],
): Promise<void> {
  if (changes.length === 0) return;
  const column = <Value>(pick: (change: ConnectionChange) => Value) => changes.map(pick);
  await sql`
    update proxy_connections c set
      sent_bytes = n.sent, received_bytes = n.received, requests = n.requests, last_seq = n.last_seq,
      closed_at = coalesce(c.closed_at, n.closed_at), outcome = coalesce(c.outcome, n.outcome)
    from unnest(
      ${column(({ id }) => id)}::uuid[], ${column(({ sent }) => String(sent))}::bigint[],
      ${column(({ received }) => String(received))}::bigint[],
      ${column(({ requests }) => String(requests))}::bigint[], ${column(({ lastSeq }) => lastSeq)}::int[],
      ${column(({ end }) => (end ? new Date(end.at).toISOString() : null))}::timestamptz[],
      ${column(({ end }) => end?.outcome ?? null)}::text[]
    ) as n (id, sent, received, requests, last_seq, closed_at, outcome)
    where c.id = n.id
  `.execute(db);
}

async function addToHours(db: Transaction<Schema>, hours: readonly HourlyUsage[]): Promise<void> {
  if (hours.length === 0) return;
  const sorted = [...hours].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const column = <Value>(pick: (hour: HourlyUsage) => Value) => sorted.map(pick);
  await sql`
    insert into proxy_usage (
      user_id, credential_id, hour, exit_country, protocol, sent_bytes, received_bytes, requests, failed
    )
    select * from unnest(
      ${column(({ userId }) => userId)}::text[], ${column(({ credentialId }) => credentialId)}::text[],
      ${column(({ hour }) => new Date(hour).toISOString())}::timestamptz[],
      ${column(({ country }) => country)}::text[], ${column(({ protocol }) => protocol)}::text[],
      ${column(({ sent }) => String(sent))}::bigint[], ${column(({ received }) => String(received))}::bigint[],
      ${column(({ requests }) => String(requests))}::bigint[], ${column(({ failed }) => String(failed))}::bigint[]
    )
    on conflict (user_id, hour, credential_id, exit_country, protocol) do update set
      sent_bytes = proxy_usage.sent_bytes + excluded.sent_bytes,
      received_bytes = proxy_usage.received_bytes + excluded.received_bytes,
      requests = proxy_usage.requests + excluded.requests,
      failed = proxy_usage.failed + excluded.failed
  `.execute(db);
}

function keyOf({ userId, hour, credentialId, country, protocol }: HourlyUsage): string {
  return [userId, hour, credentialId, country, protocol].join(" ");
}

async function addToBalances(
  db: Transaction<Schema>,
  bytesOfUser: ReadonlyMap<string, bigint>,
): Promise<BalanceAfter[]> {
  const balances: BalanceAfter[] = [];
  // One after the other, in one order everywhere: few accounts are in a batch, and no two folds wait for each other.
  for (const [userId, bytes] of [...bytesOfUser].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const row = await db
      .updateTable("traffic_balances")
      .set((set) => ({ used_bytes: set("used_bytes", "+", bytes), updated_at: new Date() }))
      .where("user_id", "=", userId)
      .returning(["allowance_bytes", "used_bytes"])
      .executeTakeFirst();
    if (row) balances.push({ userId, remainingBytes: row.allowance_bytes - row.used_bytes });
  }
  return balances;
}
