import { parseGatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ChangeFeed, openChangeFeed } from "./changes/change-feed.ts";
import type { OpenDatabase } from "./db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "./db/testing/temporary-database.ts";
import { ExitSessions } from "./gateway/exit-sessions.ts";
import { StoredCredentials } from "./gateway/stored-credentials.ts";
import { StoredSessions } from "./gateway/stored-sessions.ts";
import { remoteGateway } from "./remote-gateway.ts";

const logger = pino({ level: "silent" });

function usernameOf(text: string) {
  const username = parseGatewayUsername(text);
  if ("problem" in username) throw new Error(username.problem);
  return username;
}

describe.each(databaseKinds)("gateways of other processes, on %s", (kind) => {
  let database: OpenDatabase;
  let feed: ChangeFeed;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
    feed = await openChangeFeed({ database, logger, pollMs: 50 });
  });
  afterAll(async () => {
    await feed.close();
    await database.close();
  });

  test("tell how a session is that one of them began, and only that one", async () => {
    const { db } = database;
    const shared = new StoredSessions({ db, logger });
    const sessions = new ExitSessions({ clock: Date.now, key: Buffer.alloc(32, 1), shared });
    const verifier = new StoredCredentials({ db, key: Buffer.alloc(32, 2) });
    const gateway = remoteGateway({ db, feed, verifier });
    const username = usernameOf("atl_a-cc-us+de-sid-x-ttl-30");
    expect(await gateway.peekSession("atl_a", username)).toBeUndefined();
    const begun = await sessions.of("atl_a", username);
    expect(await gateway.peekSession("atl_a", usernameOf("atl_a-sid-x-ttl-30-cc-us+de"))).toEqual({
      expiresAt: begun?.expiresAt,
      upstream: undefined,
      lost: false,
    });
    for (const other of [
      "atl_a-cc-us+de-sid-y",
      "atl_a-cc-us-sid-x",
      "atl_a-cc-us+de-sid-x-mode-strict",
      "atl_a-cc-us+de",
    ]) {
      expect(await gateway.peekSession("atl_a", usernameOf(other))).toBeUndefined();
    }
    expect(await gateway.peekSession("atl_b", username)).toBeUndefined();
  });
});
