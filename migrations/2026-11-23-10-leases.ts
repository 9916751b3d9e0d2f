import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * Bytes of a balance that a gateway has put aside before they flow. `reserved_bytes` is the sum of the account's
 * leases. What is reserved has to be there: the check makes it impossible to reserve more. What was used, and what is
 * allowed, are facts that are never refused: where they leave less than nothing, `overrun_bytes` says how much.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table lease_holders (
      gateway_id text primary key,
      expires_at timestamptz not null
    )`,
    sql`comment on table lease_holders is 'gateways that hold leases; one row each, renewed while they live'`,
    sql`create table traffic_leases (
      user_id text not null references "user" (id) on delete cascade,
      gateway_id text not null references lease_holders (gateway_id) on delete restrict,
      bytes bigint not null check (bytes >= 0),
      primary key (user_id, gateway_id)
    )`,
    sql`comment on column traffic_leases.bytes is 'reserved, and neither settled as used nor given back'`,
    sql`create index traffic_leases_gateway on traffic_leases (gateway_id)`,
    sql`alter table traffic_balances
      add column reserved_bytes bigint not null default 0 check (reserved_bytes >= 0),
      add column overrun_bytes bigint not null default 0 check (overrun_bytes >= 0)`,
    sql`update traffic_balances set overrun_bytes = greatest(0, used_bytes - allowance_bytes)`,
    sql`alter table traffic_balances add constraint traffic_balances_reserve_what_is_there
      check (used_bytes + reserved_bytes <= allowance_bytes + overrun_bytes)`,
    sql`create function traffic_balances_overrun() returns trigger language plpgsql as $$
      begin
        if tg_op = 'INSERT' then
          new.overrun_bytes := greatest(0, new.used_bytes - new.allowance_bytes);
        elsif new.reserved_bytes <= old.reserved_bytes then
          new.overrun_bytes := greatest(0, new.used_bytes + new.reserved_bytes - new.allowance_bytes);
        end if;
        return new;
      end $$`,
    sql`create trigger traffic_balances_overrun before insert or update on traffic_balances
      for each row execute function traffic_balances_overrun()`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop trigger traffic_balances_overrun on traffic_balances`,
    sql`drop function traffic_balances_overrun`,
    sql`alter table traffic_balances drop constraint traffic_balances_reserve_what_is_there`,
    sql`alter table traffic_balances drop column overrun_bytes, drop column reserved_bytes`,
    sql`drop table traffic_leases`,
    sql`drop table lease_holders`,
  ]);
}
