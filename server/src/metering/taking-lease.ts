import { type Statement, statement } from "../db/statement-batch.ts";
import { HELD_MOST_BYTES, LEASE_LEAST_BYTES, type Lease, type LeaseWish } from "./leases.ts";

/** The last quarter of a balance is not put aside at once: other gateways may need some of it. */
const LARGEST_SHARE = 4;

interface TakenRow {
  readonly granted: bigint;
  readonly held: bigint;
  readonly free: bigint;
}

/** Takes a lease for a gateway, if it is believed to live. */
export function takingLease(gatewayId: string, { userId, bytes }: LeaseWish): Statement<TakenRow> {
  return statement<TakenRow>`
    with balance as materialized (
      select allowance_bytes - used_bytes - reserved_bytes as free
      from traffic_balances where user_id = ${userId}::text for update
    ), held as (
      select coalesce(sum(bytes), 0)::bigint as bytes
      from traffic_leases where user_id = ${userId}::text and gateway_id = ${gatewayId}::text
    ), wanted as (
      select free, greatest(0, least(
        ${bytes}::bigint, ${HELD_MOST_BYTES}::bigint - held.bytes, free,
        greatest(${LEASE_LEAST_BYTES}::bigint, free / ${LARGEST_SHARE}::bigint)
      )) as bytes
      from balance, held
      where exists (
        select from lease_holders where gateway_id = ${gatewayId}::text and expires_at > clock_timestamp()
      )
    ), reserved as (
      update traffic_balances b set reserved_bytes = b.reserved_bytes + wanted.bytes
      from wanted where b.user_id = ${userId}::text and wanted.bytes > 0
    ), lease as (
      insert into traffic_leases as l (user_id, gateway_id, bytes)
      select ${userId}::text, ${gatewayId}::text, bytes from wanted where bytes > 0
      on conflict (user_id, gateway_id) do update set bytes = l.bytes + excluded.bytes
      returning l.bytes
    )
    select wanted.bytes as granted, wanted.free, coalesce(lease.bytes, held.bytes) as held
    from wanted cross join held left join lease on true
  `;
}

/** What the statement came to; no row: there is no such account, or the gateway is thought dead. */
export function leaseOf(row: TakenRow | undefined): Lease {
  return {
    grantedBytes: Number(row?.granted ?? 0n),
    heldBytes: Number(row?.held ?? 0n),
    moreToCome: (row?.free ?? 0n) > (row?.granted ?? 0n),
  };
}
