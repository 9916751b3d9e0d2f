import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * A receipt for each connection that ended: its place in its credential's chain and its hash, beside the facts that
 * the hash covers (docs/receipts.md). The head of each chain is a row that is there from the credential's beginning,
 * and whoever writes receipts locks it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table receipt_chains (
      credential_id text primary key references proxy_credentials (id) on delete cascade,
      last_number bigint not null default 0 check (last_number >= 0),
      last_hash bytea not null default decode(repeat('00', 32), 'hex') check (octet_length(last_hash) = 32)
    )`,
    sql`insert into receipt_chains (credential_id) select id from proxy_credentials`,
    sql`create function receipt_chain_begins() returns trigger language plpgsql as $$
      begin
        insert into receipt_chains (credential_id) values (new.id);
        return null;
      end $$`,
    sql`create trigger receipt_chain_begins after insert on proxy_credentials
        for each row execute function receipt_chain_begins()`,
    sql`alter table proxy_connections
      add column receipt_number bigint check (receipt_number > 0),
      add column receipt_hash bytea check (octet_length(receipt_hash) = 32)`,
    sql`create unique index proxy_connections_receipt on proxy_connections (credential_id, receipt_number)
        where receipt_number is not null`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop index proxy_connections_receipt`,
    sql`alter table proxy_connections drop column receipt_number, drop column receipt_hash`,
    sql`drop trigger receipt_chain_begins on proxy_credentials`,
    sql`drop function receipt_chain_begins`,
    sql`drop table receipt_chains`,
  ]);
}
