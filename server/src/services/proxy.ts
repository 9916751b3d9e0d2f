import { formatGatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ExitSelector, ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import type { AuditLog } from "./audit-log.ts";
import { authorise, type Caller } from "./caller.ts";
import type { ConnectionService, ConnectionView } from "./connections.ts";
import { ServiceError } from "./errors.ts";
import type { LiveGateway } from "./live-gateway.ts";

/** Where clients reach the gateway. */
export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
}

/** How to leave through an exit, with the password left out. */
export interface ConnectionRecipe {
  readonly username: string;
  readonly host: string;
  readonly httpPort: number;
  readonly socksPort: number;
  /** Lines to paste into a terminal, with `PASSWORD_PLACEHOLDER` where the password belongs. */
  readonly curlHttp: string;
  readonly curlSocks5: string;
}

/** Stands where a password belongs: passwords are shown once, when they are made. */
const PASSWORD_PLACEHOLDER = "••••";

/** Says how to connect through an exit, what is connected, and ends connections. */
export class ProxyService {
  readonly #db: Kysely<Schema>;
  readonly #gateway: LiveGateway;
  readonly #address: () => GatewayAddress;
  readonly #trialSite: string;
  readonly #connections: ConnectionService;
  readonly #audit: AuditLog;

  /**
   * @param parts.address asked each time: the port is known only when the gateway listens.
   * @param parts.trialSite what ready-made lines ask for
   */
  constructor(parts: {
    db: Kysely<Schema>;
    gateway: LiveGateway;
    address: () => GatewayAddress;
    trialSite: string;
    connections: ConnectionService;
    audit: AuditLog;
  }) {
    this.#db = parts.db;
    this.#gateway = parts.gateway;
    this.#address = parts.address;
    this.#trialSite = parts.trialSite;
    this.#connections = parts.connections;
    this.#audit = parts.audit;
  }

  /**
   * How to connect through an exit with the given credential, or with the first live one.
   *
   * @throws ServiceError not_found when there is no such live credential.
   */
  async connect(
    caller: Caller,
    wanted: { exit: ExitSelector; session?: ExitSession | undefined; credentialId?: string | undefined },
  ): Promise<ConnectionRecipe> {
    const { userId } = authorise(caller, "proxy.connect");
    const credential = await this.#liveCredential(userId, wanted.credentialId);
    const username = formatGatewayUsername({ credential, exit: wanted.exit, session: wanted.session });
    const { host, port } = this.#address();
    const authority = `${username}:${PASSWORD_PLACEHOLDER}@${host}:${port}`;
    return {
      username,
      host,
      httpPort: port,
      socksPort: port,
      curlHttp: `curl --proxy 'http://${authority}' ${this.#trialSite}`,
      curlSocks5: `curl --proxy 'socks5h://${authority}' ${this.#trialSite}`,
    };
  }

  /** What the account has open now. */
  async status(caller: Caller): Promise<{ open: number; connections: ConnectionView[] }> {
    return this.#connections.open(caller);
  }

  /**
   * Ends a connection. How many ended: 0 when it had ended already.
   *
   * @throws ServiceError not_found when the account has no such connection.
   */
  async disconnect(caller: Caller, connectionId: string): Promise<{ closed: number }> {
    const { userId } = authorise(caller, "proxy.disconnect");
    const connection = await this.#db
      .selectFrom("proxy_connections")
      .select("id")
      .where("id", "=", connectionId)
      .where("user_id", "=", userId)
      .executeTakeFirst();
    if (connection === undefined) throw new ServiceError("not_found", "There is no such connection.");
    if (!(await this.#gateway.disconnect(connectionId))) return { closed: 0 };
    await this.#db
      .transaction()
      .execute((transaction) =>
        this.#audit.record(transaction, caller, "connection.disconnected", connectionId, {}),
      );
    return { closed: 1 };
  }

  async #liveCredential(userId: string, credentialId: string | undefined): Promise<string> {
    const credential = await this.#db
      .selectFrom("proxy_credentials")
      .select("username")
      .where("user_id", "=", userId)
      .where("revoked_at", "is", null)
      .$if(credentialId !== undefined, (query) => query.where("id", "=", credentialId ?? ""))
      .orderBy("created_at")
      .limit(1)
      .executeTakeFirst();
    if (credential !== undefined) return credential.username;
    throw new ServiceError("not_found", "There is no such live credential. Create one first.");
  }
}
