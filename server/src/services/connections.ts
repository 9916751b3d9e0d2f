import { type Kysely, sql } from "kysely";
import type { ProxyProtocol, Schema } from "../db/schema.ts";
import { authorise, type Caller } from "./caller.ts";
import { ServiceError } from "./errors.ts";

/** One connection through the gateway, with what it has carried. */
export interface ConnectionView {
  readonly id: string;
  readonly openedAt: Date;
  readonly closedAt: Date | null;
  readonly client: string;
  readonly protocol: ProxyProtocol;
  readonly targetHost: string;
  readonly targetPort: number;
  readonly exitLabel: string | null;
  readonly exitAddress: string | null;
  readonly credentialLabel: string;
  readonly sentBytes: bigint;
  readonly receivedBytes: bigint;
  readonly requests: bigint;
  /** Counted and not charged: of attempts that failed by our or the upstream's fault. */
  readonly unchargedSentBytes: bigint;
  readonly unchargedReceivedBytes: bigint;
  /** What the client's TLS leg had on the wire beyond the payload; not charged. */
  readonly tlsBytes: bigint;
  /** Exits that were tried. */
  readonly attempts: number;
  /** Why the first exit was left: a code of the error table; null when it was not. */
  readonly failover: string | null;
  readonly outcome: string | null;
}

/** Where a list goes on: opaque to the client. */
export type Cursor = string;

/** The connections of an account, out of the database, where the gateway writes them. */
export class ConnectionService {
  readonly #db: Kysely<Schema>;

  constructor(parts: { db: Kysely<Schema> }) {
    this.#db = parts.db;
  }

  /**
   * Connections, the newest first.
   *
   * @param wanted.open true: only open ones; false: only closed ones.
   * @param wanted.before the `next` of an earlier answer.
   * @throws ServiceError invalid when `before` is no such thing.
   */
  async list(
    caller: Caller,
    wanted: { open?: boolean | undefined; limit: number; before?: Cursor | undefined },
  ): Promise<{ connections: ConnectionView[]; next: Cursor | null }> {
    const { userId } = authorise(caller, "connections.read");
    let query = connectionsOf(this.#db, userId).limit(wanted.limit + 1);
    if (wanted.open !== undefined) query = query.where("c.closed_at", wanted.open ? "is" : "is not", null);
    if (wanted.before !== undefined) {
      const { openedAt, id } = readCursor(wanted.before);
      query = query.where((where) =>
        where(where.refTuple("c.opened_at", "c.id"), "<", where.tuple(openedAt, id)),
      );
    }
    const rows = await query.execute();
    const connections = rows.slice(0, wanted.limit);
    const last = connections.at(-1);
    return { connections, next: rows.length > wanted.limit && last !== undefined ? writeCursor(last) : null };
  }

  /** The open connections of the account, at most 200, and how many there are. */
  async open(caller: Caller): Promise<{ open: number; connections: ConnectionView[] }> {
    const { userId } = authorise(caller, "proxy.status");
    const connections = await connectionsOf(this.#db, userId)
      .where("c.closed_at", "is", null)
      .limit(200)
      .execute();
    if (connections.length < 200) return { open: connections.length, connections };
    const { open } = await this.#db
      .selectFrom("proxy_connections")
      .select((expression) => expression.fn.countAll<bigint>().as("open"))
      .where("user_id", "=", userId)
      .where("closed_at", "is", null)
      .executeTakeFirstOrThrow();
    return { open: Number(open), connections };
  }
}

function connectionsOf(db: Kysely<Schema>, userId: string) {
  return db
    .selectFrom("proxy_connections as c")
    .innerJoin("proxy_credentials as k", "k.id", "c.credential_id")
    .leftJoinLateral(
      (from) =>
        from
          .selectFrom("usage_events as u")
          .selectAll("u")
          .whereRef("u.connection_id", "=", "c.id")
          .orderBy("u.seq", "desc")
          .limit(1)
          .as("e"),
      // The row of a closed connection has its last totals; those of an open one are its last event's.
      (join) => join.on("c.closed_at", "is", null),
    )
    .where("c.user_id", "=", userId)
    .select([
      "c.id",
      "c.opened_at as openedAt",
      "c.closed_at as closedAt",
      "c.client",
      "c.protocol",
      "c.target_host as targetHost",
      "c.target_port as targetPort",
      "c.exit_label as exitLabel",
      "c.exit_address as exitAddress",
      "k.label as credentialLabel",
      "c.outcome",
    ])
    .select(({ fn, ref }) => [
      fn.coalesce("e.sent_bytes_total", "c.sent_bytes").as("sentBytes"),
      fn.coalesce("e.received_bytes_total", "c.received_bytes").as("receivedBytes"),
      fn.coalesce("e.requests_total", "c.requests").as("requests"),
      fn.coalesce("e.uncharged_sent_bytes_total", "c.uncharged_sent_bytes").as("unchargedSentBytes"),
      fn
        .coalesce("e.uncharged_received_bytes_total", "c.uncharged_received_bytes")
        .as("unchargedReceivedBytes"),
      fn.coalesce("e.tls_bytes_total", "c.tls_bytes").as("tlsBytes"),
      sql<number>`1 + coalesce(jsonb_array_length(${ref("c.failed_attempts")}), 0)`.as("attempts"),
      sql<string | null>`${ref("c.failed_attempts")} -> 0 ->> 'error'`.as("failover"),
    ])
    .orderBy("c.opened_at", "desc")
    .orderBy("c.id", "desc");
}

function writeCursor(connection: ConnectionView): Cursor {
  return `${connection.openedAt.getTime()}_${connection.id}`;
}

function readCursor(cursor: Cursor): { openedAt: Date; id: string } {
  const parts = /^(\d{1,15})_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/.exec(cursor);
  if (parts?.[1] === undefined || parts[2] === undefined) {
    throw new ServiceError("invalid", "The list cannot go on from there. Take `next` of the last answer.");
  }
  return { openedAt: new Date(Number(parts[1])), id: parts[2] };
}
