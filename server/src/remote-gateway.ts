import type { Kysely } from "kysely";
import type { ChangeFeed } from "./changes/change-feed.ts";
import type { Schema } from "./db/schema.ts";
import type { CredentialVerifier } from "./gateway/credential.ts";
import { sessionName } from "./gateway/exit-sessions.ts";
import type { LiveGateway } from "./services/live-gateway.ts";

/** Gateways of other processes, as this one knows them: from the database, and by what is told of changes. */
export function remoteGateway(parts: {
  db: Kysely<Schema>;
  feed: ChangeFeed;
  verifier: CredentialVerifier;
}): LiveGateway {
  const { db, feed, verifier } = parts;
  const open = () => db.selectFrom("proxy_connections").where("closed_at", "is", null);
  return {
    async countOpen(userId) {
      const { count } = await open()
        .where("user_id", "=", userId)
        .select((select) => select.fn.countAll<string>().as("count"))
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    async disconnect(connectionId) {
      const found = await open().where("id", "=", connectionId).select("id").executeTakeFirst();
      if (found === undefined) return false;
      await feed.tellDisconnect(connectionId);
      return true;
    },
    // The gateways learn of the credential's change from the database itself.
    disconnectCredential(credentialId) {
      verifier.forget(credentialId);
      return 0;
    },
    async peekSession(credentialId, username) {
      if (username.session === undefined) return undefined;
      const session = await db
        .selectFrom("exit_sessions")
        .select(["expires_at", "upstream", "lost"])
        .where("name", "=", sessionName(credentialId, username, username.session))
        .where("expires_at", ">", new Date())
        .executeTakeFirst();
      if (session === undefined) return undefined;
      const { expires_at: expiresAt, upstream, lost } = session;
      return { expiresAt: expiresAt.getTime(), upstream: upstream ?? undefined, lost };
    },
    onUsage: (listener) =>
      feed.onChange((change) => {
        if (change.kind === "usage") for (const userId of change.userIds) listener(userId);
      }),
  };
}
