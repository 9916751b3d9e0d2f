import { getMigrations } from "better-auth/db/migration";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMemoryCache } from "../cache/memory-cache.ts";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { AuditLog } from "../services/audit-log.ts";
import { type Auth, createAuth } from "./auth.ts";
import { createSignInToken } from "./sign-in-once.ts";

describe.each(databaseKinds)("accounts on %s", (kind) => {
  let database: OpenDatabase;
  let auth: Auth;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
    auth = createAuth({
      db: database.db,
      cache: createMemoryCache(),
      secret: "0".repeat(64),
      webUrl: "http://localhost:3000",
      signUp: { open: true, allowanceBytes: 1_000n },
      onSessionsChanged: () => {},
      log: () => {},
    });
  });
  afterAll(() => database.close());

  test("the auth library has nothing to add to our migrations", async () => {
    const plan = await getMigrations(auth.options);
    expect(plan.toBeCreated).toEqual([]);
    expect(plan.toBeAdded).toEqual([]);
    expect(plan.toBeAddedIndexes).toEqual([]);
    expect(plan.schemaProblems).toEqual([]);
  });

  test("of several who sign up with one address at the same moment one gets the account, whole", async () => {
    const attempts = await Promise.all(Array.from({ length: 4 }, () => signUp("same@example.test")));
    expect(attempts.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
    const { db } = database;
    const users = await db.selectFrom("user").select("id").where("email", "=", "same@example.test").execute();
    expect(users).toHaveLength(1);
    const orphans = await sql`select 1 from "user" where id not in (select "userId" from account)`.execute(
      db,
    );
    expect(orphans.rows).toEqual([]);
    const unbalanced =
      await sql`select 1 from "user" where id not in (select user_id from traffic_balances)`.execute(db);
    expect(unbalanced.rows).toEqual([]);
  });

  test("where sign-up is closed nobody makes an account", async () => {
    const closed = createAuth({
      db: database.db,
      cache: createMemoryCache(),
      secret: "0".repeat(64),
      webUrl: "http://localhost:3000",
      signUp: { open: false, allowanceBytes: 0n },
      onSessionsChanged: () => {},
      log: () => {},
    });
    const answer = await closed.handler(
      new Request("http://localhost:3000/api/auth/sign-up/email", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          email: "late@example.test",
          name: "L",
          password: "correct horse battery staple",
        }),
      }),
    );
    expect(answer.status).toBe(404);
  });

  test("a sign-in token that is stored cannot be read from the database, and is good once among many at once", async () => {
    await signUp("once@example.test");
    const { db } = database;
    const { id } = await db
      .selectFrom("user")
      .select("id")
      .where("email", "=", "once@example.test")
      .executeTakeFirstOrThrow();
    const token = await createSignInToken((await auth.$context).internalAdapter, id);
    const stored = await db.selectFrom("verification").selectAll().execute();
    expect(JSON.stringify(stored)).not.toContain(token);
    const uses = await Promise.all(Array.from({ length: 5 }, () => post("/sign-in/once", { token })));
    expect(uses.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
  });

  test("a sign-in token does not work after its time", async () => {
    const { internalAdapter } = await auth.$context;
    const { id } = await database.db.selectFrom("user").select("id").limit(1).executeTakeFirstOrThrow();
    const token = await createSignInToken(internalAdapter, id);
    await database.db
      .updateTable("verification")
      .set({ expiresAt: new Date(0) })
      .execute();
    expect((await post("/sign-in/once", { token })).status).toBe(401);
  });

  test("an account without a password sets its first one where it is signed in, and none after that", async () => {
    const { internalAdapter } = await auth.$context;
    const email = "passwordless@example.test";
    const { id } = await internalAdapter.createUser({ email, name: "P" }, { method: "first-account" });
    const entered = await post("/sign-in/once", { token: await createSignInToken(internalAdapter, id) });
    const cookie = entered.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const set = (newPassword: string, who: string) => post("/set-password", { newPassword }, who);
    expect((await set("a password of a stranger", "")).status).toBe(401);
    expect((await set("elevenchars", cookie)).status).toBe(400);
    expect((await set("the first password", cookie)).status).toBe(200);
    expect((await set("another, without the first", cookie)).status).toBe(400);
    expect((await post("/sign-in/email", { email, password: "another, without the first" })).status).toBe(
      401,
    );
    expect((await post("/sign-in/email", { email, password: "the first password" })).status).toBe(200);
    const entries = await database.db
      .selectFrom("audit_log")
      .select("action")
      .where("user_id", "=", id)
      .where("action", "=", "account.password_set")
      .execute();
    expect(entries).toHaveLength(1);
  });

  test("of several first passwords that are set at the same moment one holds", async () => {
    const { internalAdapter } = await auth.$context;
    const email = "hasty@example.test";
    const { id } = await internalAdapter.createUser({ email, name: "H" }, { method: "first-account" });
    const entered = await post("/sign-in/once", { token: await createSignInToken(internalAdapter, id) });
    const cookie = entered.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const answers = await Promise.all(
      Array.from({ length: 4 }, (_, n) =>
        post("/set-password", { newPassword: `the password number ${n}` }, cookie),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400]);
    const { db } = database;
    expect(await db.selectFrom("account").select("id").where("userId", "=", id).execute()).toHaveLength(1);
  });

  test("an entry of the audit log that was changed behind its back is found", async () => {
    const { db } = database;
    const audit = new AuditLog();
    expect(await audit.firstBroken(db)).toBeNull();
    const { id } = await db
      .selectFrom("audit_log")
      .select("id")
      .orderBy("id")
      .limit(1)
      .executeTakeFirstOrThrow();
    await sql`alter table audit_log disable trigger audit_log_append_only`.execute(db);
    await db.updateTable("audit_log").set({ address: "203.0.113.66" }).where("id", "=", id).execute();
    expect(await audit.firstBroken(db)).toBe(id);
  });

  function signUp(email: string): Promise<Response> {
    return post("/sign-up/email", { email, name: "Ada", password: "correct horse battery staple" });
  }

  let address = 0;
  function post(path: string, body: unknown, cookie = ""): Promise<Response> {
    // Each from an address of its own, as far as limits go.
    address += 1;
    return auth.handler(
      new Request(`http://localhost:3000/api/auth${path}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-atlantic-client-address": `198.51.100.${address}`,
          ...(cookie === "" ? {} : { cookie, origin: "http://localhost:3000", host: "localhost:3000" }),
        },
        body: JSON.stringify(body),
      }),
    );
  }
});
