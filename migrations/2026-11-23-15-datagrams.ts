import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/** An association for datagrams is a connection without one target: its host is `*` and its port 0. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`alter table proxy_connections drop constraint proxy_connections_target_port_check`,
    sql`alter table proxy_connections
      add constraint proxy_connections_target_port_check check (target_port between 0 and 65535)`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`update proxy_connections set target_port = 1 where target_port = 0`,
    sql`alter table proxy_connections drop constraint proxy_connections_target_port_check`,
    sql`alter table proxy_connections
      add constraint proxy_connections_target_port_check check (target_port between 1 and 65535)`,
  ]);
}
