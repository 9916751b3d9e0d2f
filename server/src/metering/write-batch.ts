import { type Kysely, sql } from "kysely";
import { byteas, int4s, int8s, texts, timestamps, uuids } from "../db/binary-arrays.ts";
import type { Schema } from "../db/schema.ts";
import { runTogether, type Statement, statement } from "../db/statement-batch.ts";
import type { ConnectionState, Standing } from "./connection-state.ts";
import type { FoldedBatch } from "./fold-batch.ts";
import type { HourlyUsage } from "./hourly-usage.ts";
import type { LockedCredential, ReceiptChain } from "./receipt-chain.ts";

interface CredentialRow {
  readonly id: string;
  readonly user_id: string;
  readonly last_number: bigint;
  readonly last_hash: Uint8Array;
}

/**
 * Keeps credentials from being deleted until the transaction ends and, where receipts are to be written, their chains
 * for this transaction alone. Locked in one order everywhere.
 */
export async function lockCredentials(
  transaction: Kysely<Schema>,
  ids: readonly string[],
  options: { withChains: boolean },
): Promise<LockedCredential[]> {
  const [rows] = await runTogether(transaction, [lockingCredentials(ids, options)]);
  return rows.map(lockedCredential);
}

function lockingCredentials(
  ids: readonly string[],
  { withChains }: { withChains: boolean },
): Statement<CredentialRow> {
  const wanted = texts(ids, (id) => id);
  return withChains
    ? statement<CredentialRow>`
        select k.id, k.user_id, c.last_number, c.last_hash
        from proxy_credentials k join receipt_chains c on c.credential_id = k.id
        where k.id = any(${wanted}::text[]) order by k.id for key share of k for update of c`
    : statement<CredentialRow>`
        select k.id, k.user_id, c.last_number, c.last_hash
        from proxy_credentials k join receipt_chains c on c.credential_id = k.id
        where k.id = any(${wanted}::text[]) order by k.id for key share of k`;
}

function lockedCredential(row: CredentialRow): LockedCredential {
  return {
    id: row.id,
    userId: row.user_id,
    lastNumber: Number(row.last_number),
    lastHash: row.last_hash,
  };
}

/**
 * Makes this transaction the only one that writes usage of the gateway.
 * @returns the gateway's epoch: while it stays the same, nobody else has closed its connections
 */
export async function lockGateway(transaction: Kysely<Schema>, gatewayId: string): Promise<bigint> {
  const [[row]] = await runTogether(transaction, [lockingGateway(gatewayId)]);
  return epochOf(row);
}

function lockingGateway(gatewayId: string): Statement<{ epoch: bigint }> {
  return statement<{ epoch: bigint }>`
    insert into usage_gateways as g (id) values (${gatewayId}::text)
    on conflict (id) do update set id = excluded.id returning g.epoch`;
}

function epochOf(row: { epoch: bigint } | undefined): bigint {
  if (row === undefined) throw new Error("The gateway's row was not written.");
  return row.epoch;
}

/** The locks that every fold takes, in one exchange: the gateway first, then the credentials. */
export async function lockForFold(
  transaction: Kysely<Schema>,
  gatewayId: string,
  credentials: readonly string[],
  options: { withChains: boolean },
): Promise<{ epoch: bigint; credentials: LockedCredential[] }> {
  const [[gateway], rows] = await runTogether(transaction, [
    lockingGateway(gatewayId),
    lockingCredentials(credentials, options),
  ]);
  return { epoch: epochOf(gateway), credentials: rows.map(lockedCredential) };
}

/** How stored connections stand; their rows are locked, in one order everywhere. */
export async function lockStandings(
  transaction: Kysely<Schema>,
  ids: readonly string[],
): Promise<Map<string, Standing>> {
  if (ids.length === 0) return new Map();
  const { rows } = await sql<{
    id: string;
    sent_bytes: bigint;
    received_bytes: bigint;
    requests: bigint;
    uncharged_sent_bytes: bigint;
    uncharged_received_bytes: bigint;
    tls_bytes: bigint;
    last_seq: number;
    closed: boolean;
  }>`
    select c.id, coalesce(e.seq, c.last_seq) as last_seq, c.closed_at is not null as closed, ${latestTotals}
    from proxy_connections c left join lateral (${latestEvent}) e on c.closed_at is null
    where c.id = any(${uuids(ids, (id) => id)}::uuid[]) order by c.id for update of c
  `.execute(transaction);
  return new Map(
    rows.map((row) => [
      row.id,
      {
        sent: Number(row.sent_bytes),
        received: Number(row.received_bytes),
        requests: Number(row.requests),
        unchargedSent: Number(row.uncharged_sent_bytes),
        unchargedReceived: Number(row.uncharged_received_bytes),
        tls: Number(row.tls_bytes),
        lastSeq: row.last_seq,
        closed: row.closed,
      },
    ]),
  );
}

/** The last event of the connection `c`. */
export const latestEvent = sql`
  select * from usage_events where connection_id = c.id order by seq desc limit 1
`;

/** Totals of the connection `c` whose last event, while it is open, is `e`. */
export const latestTotals = sql`
  coalesce(e.sent_bytes_total, c.sent_bytes) as sent_bytes,
  coalesce(e.received_bytes_total, c.received_bytes) as received_bytes,
  coalesce(e.requests_total, c.requests) as requests,
  coalesce(e.uncharged_sent_bytes_total, c.uncharged_sent_bytes) as uncharged_sent_bytes,
  coalesce(e.uncharged_received_bytes_total, c.uncharged_received_bytes) as uncharged_received_bytes,
  coalesce(e.tls_bytes_total, c.tls_bytes) as tls_bytes
`;

/** What writes connections, events, hours and the heads of chains. A unique violation: a connection was there. */
export function writingBatch(
  gatewayId: string,
  batch: FoldedBatch,
  chains: ReadonlyMap<string, ReceiptChain>,
): Statement[] {
  const grown = [...chains.values()].filter((chain) => chain.grown);
  const statements: Statement[] = [];
  if (batch.begun.length > 0) statements.push(insertingConnections(gatewayId, batch.begun, chains));
  if (batch.ended.length > 0) statements.push(closingConnections(batch.ended));
  if (batch.moved.length > 0) statements.push(updatingExits(batch.moved));
  if (batch.events.length > 0) statements.push(insertingEvents(batch.events));
  if (batch.hours.length > 0) statements.push(addingToHours(batch.hours));
  if (grown.length > 0) statements.push(updatingChains(grown));
  return statements;
}

function insertingConnections(
  gatewayId: string,
  rows: readonly ConnectionState[],
  chains: ReadonlyMap<string, ReceiptChain>,
): Statement {
  return statement`
    insert into proxy_connections (
      gateway_id, id, user_id, credential_id, client, protocol, target_host, target_port,
      exit_country, exit_city, exit_label, exit_address, upstream, opened_at,
      sent_bytes, received_bytes, requests, uncharged_sent_bytes, uncharged_received_bytes, tls_bytes,
      last_seq, failed_attempts, closed_at, outcome, receipt_number, receipt_hash
    )
    select ${gatewayId}::text, n.* from unnest(
      ${uuids(rows, ({ id }) => id)}::uuid[],
      ${texts(rows, ({ record }) => chains.get(record.credentialId)?.userId ?? record.userId)}::text[],
      ${texts(rows, ({ record }) => record.credentialId)}::text[],
      ${texts(rows, ({ record }) => record.client)}::text[],
      ${texts(rows, ({ record }) => record.protocol)}::text[],
      ${texts(rows, ({ record }) => record.targetHost)}::text[],
      ${int4s(rows, ({ record }) => record.targetPort)}::int4[],
      ${texts(rows, ({ record }) => record.exitCountry)}::text[],
      ${texts(rows, ({ record }) => record.exitCity)}::text[],
      ${texts(rows, ({ record }) => record.exitLabel)}::text[],
      ${texts(rows, ({ record }) => record.exitAddress)}::text[],
      ${texts(rows, ({ record }) => record.upstream)}::text[],
      ${timestamps(rows, ({ record }) => record.openedAt)}::timestamptz[],
      ${int8s(rows, ({ sent }) => sent)}::int8[],
      ${int8s(rows, ({ received }) => received)}::int8[],
      ${int8s(rows, ({ requests }) => requests)}::int8[],
      ${int8s(rows, ({ unchargedSent }) => unchargedSent)}::int8[],
      ${int8s(rows, ({ unchargedReceived }) => unchargedReceived)}::int8[],
      ${int8s(rows, ({ tls }) => tls)}::int8[],
      ${int4s(rows, ({ lastSeq }) => lastSeq)}::int4[],
      ${texts(rows, attemptsText)}::text[]::jsonb[],
      ${timestamps(rows, ({ closedAt }) => closedAt)}::timestamptz[],
      ${texts(rows, ({ outcome }) => outcome)}::text[],
      ${int8s(rows, ({ receiptNumber }) => receiptNumber)}::int8[],
      ${byteas(rows, ({ receiptHash }) => receiptHash)}::bytea[]
    ) as n
  `;
}

function closingConnections(rows: readonly ConnectionState[]): Statement {
  return statement`
    update proxy_connections c set
      sent_bytes = n.sent, received_bytes = n.received, requests = n.requests,
      uncharged_sent_bytes = n.uncharged_sent, uncharged_received_bytes = n.uncharged_received, tls_bytes = n.tls,
      last_seq = n.last_seq, closed_at = n.closed_at, outcome = n.outcome, receipt_number = n.receipt_number, receipt_hash = n.receipt_hash
    from unnest(
      ${uuids(rows, ({ id }) => id)}::uuid[],
      ${int8s(rows, ({ sent }) => sent)}::int8[],
      ${int8s(rows, ({ received }) => received)}::int8[],
      ${int8s(rows, ({ requests }) => requests)}::int8[],
      ${int8s(rows, ({ unchargedSent }) => unchargedSent)}::int8[],
      ${int8s(rows, ({ unchargedReceived }) => unchargedReceived)}::int8[],
      ${int8s(rows, ({ tls }) => tls)}::int8[],
      ${int4s(rows, ({ lastSeq }) => lastSeq)}::int4[],
      ${timestamps(rows, ({ closedAt }) => closedAt)}::timestamptz[],
      ${texts(rows, ({ outcome }) => outcome)}::text[],
      ${int8s(rows, ({ receiptNumber }) => receiptNumber)}::int8[],
      ${byteas(rows, ({ receiptHash }) => receiptHash)}::bytea[]
    ) as n (
      id, sent, received, requests, uncharged_sent, uncharged_received, tls, last_seq,
      closed_at, outcome, receipt_number, receipt_hash
    )
    where c.id = n.id
  `;
}

/** For connections that were moved to another exit after their row was written. */
function updatingExits(rows: readonly ConnectionState[]): Statement {
  return statement`
    update proxy_connections c set
      exit_country = n.country, exit_city = n.city, exit_label = n.label, exit_address = n.address,
      upstream = n.upstream, failed_attempts = n.attempts
    from unnest(
      ${uuids(rows, ({ id }) => id)}::uuid[],
      ${texts(rows, ({ record }) => record.exitCountry)}::text[],
      ${texts(rows, ({ record }) => record.exitCity)}::text[],
      ${texts(rows, ({ record }) => record.exitLabel)}::text[],
      ${texts(rows, ({ record }) => record.exitAddress)}::text[],
      ${texts(rows, ({ record }) => record.upstream)}::text[],
      ${texts(rows, attemptsText)}::text[]::jsonb[]
    ) as n (id, country, city, label, address, upstream, attempts)
    where c.id = n.id
  `;
}

function attemptsText({ record }: ConnectionState): string | null {
  return record.attempts === undefined ? null : JSON.stringify(record.attempts);
}

function insertingEvents(events: FoldedBatch["events"]): Statement {
  return statement`
    insert into usage_events (
      connection_id, seq, sent_bytes_total, received_bytes_total, requests_total,
      uncharged_sent_bytes_total, uncharged_received_bytes_total, tls_bytes_total, at
    )
    select * from unnest(
      ${uuids(events, ({ connection }) => connection.id)}::uuid[],
      ${int4s(events, ({ seq }) => seq)}::int4[],
      ${int8s(events, ({ totals }) => totals.sentBytes)}::int8[],
      ${int8s(events, ({ totals }) => totals.receivedBytes)}::int8[],
      ${int8s(events, ({ totals }) => totals.requests)}::int8[],
      ${int8s(events, ({ totals }) => totals.unchargedSentBytes ?? 0)}::int8[],
      ${int8s(events, ({ totals }) => totals.unchargedReceivedBytes ?? 0)}::int8[],
      ${int8s(events, ({ totals }) => totals.tlsBytes ?? 0)}::int8[],
      ${timestamps(events, ({ at }) => at)}::timestamptz[]
    )
  `;
}

function addingToHours(hours: readonly HourlyUsage[]): Statement {
  return statement`
    insert into proxy_usage (
      user_id, credential_id, hour, exit_country, protocol, sent_bytes, received_bytes, requests, failed,
      uncharged_sent_bytes, uncharged_received_bytes, tls_bytes
    )
    select * from unnest(
      ${texts(hours, ({ userId }) => userId)}::text[],
      ${texts(hours, ({ credentialId }) => credentialId)}::text[],
      ${timestamps(hours, ({ hour }) => hour)}::timestamptz[],
      ${texts(hours, ({ country }) => country)}::text[],
      ${texts(hours, ({ protocol }) => protocol)}::text[],
      ${int8s(hours, ({ sent }) => sent)}::int8[],
      ${int8s(hours, ({ received }) => received)}::int8[],
      ${int8s(hours, ({ requests }) => requests)}::int8[],
      ${int8s(hours, ({ failed }) => failed)}::int8[],
      ${int8s(hours, ({ unchargedSent }) => unchargedSent)}::int8[],
      ${int8s(hours, ({ unchargedReceived }) => unchargedReceived)}::int8[],
      ${int8s(hours, ({ tls }) => tls)}::int8[]
    )
    on conflict (user_id, hour, credential_id, exit_country, protocol) do update set
      sent_bytes = proxy_usage.sent_bytes + excluded.sent_bytes,
      received_bytes = proxy_usage.received_bytes + excluded.received_bytes,
      requests = proxy_usage.requests + excluded.requests,
      failed = proxy_usage.failed + excluded.failed,
      uncharged_sent_bytes = proxy_usage.uncharged_sent_bytes + excluded.uncharged_sent_bytes,
      uncharged_received_bytes = proxy_usage.uncharged_received_bytes + excluded.uncharged_received_bytes,
      tls_bytes = proxy_usage.tls_bytes + excluded.tls_bytes
  `;
}

/** The rows are locked already. */
export async function updateChains(
  transaction: Kysely<Schema>,
  chains: readonly ReceiptChain[],
): Promise<void> {
  await runTogether(transaction, [updatingChains(chains)]);
}

function updatingChains(chains: readonly ReceiptChain[]): Statement {
  return statement`
    update receipt_chains c set last_number = n.number, last_hash = n.hash
    from unnest(
      ${texts(chains, ({ credentialId }) => credentialId)}::text[],
      ${int8s(chains, ({ number }) => number)}::int8[],
      ${byteas(chains, ({ hash }) => Buffer.from(hash, "hex"))}::bytea[]
    ) as n (credential_id, number, hash)
    where c.credential_id = n.credential_id
  `;
}
