import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TRPCClientError } from "@trpc/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabase } from "./db/open.ts";
import {
  cookiesOf,
  MEMBER_PASSWORD,
  startTemporaryServer,
  type TemporaryServer,
} from "./testing/temporary-server.ts";
import { appRouter } from "./trpc/router.ts";

let server: TemporaryServer;

beforeAll(async () => {
  server = await startTemporaryServer({
    ATLANTIC_FIRST_ACCOUNT: "1",
    ATLANTIC_ROLES: "web",
    ATLANTIC_TRUSTED_PROXIES: "127.0.0.1",
  });
});
afterAll(() => server.close());

describe("the first account", () => {
  test("is signed in by its link once, and never again", async () => {
    const [address, token] = (server.signInUrl ?? "").split("#");
    expect(address).toBe(`${server.webUrl}/sign-in/once`);
    const answers = await Promise.all([signInOnce(token), signInOnce(token), signInOnce(token)]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401, 401]);
    const taken = answers.find((answer) => answer.status === 200);
    const account = await get("/api/v1/account", { cookie: taken ? cookiesOf(taken) : "" });
    expect(await account.json()).toMatchObject({ email: "owner@atlantic.local", hasPassword: false });
  });

  test("has ten gigabytes until the first of next month, and a credential that may ask for it", async () => {
    const program = server.program(server.credential ?? { username: "", password: "" });
    const { balance } = await program.api.usage.summary.query();
    expect(balance.allowanceBytes).toBe("10000000000");
    expect(balance.remainingBytes).toBe("10000000000");
    const resets = new Date(balance.resetsAt ?? 0);
    expect([resets.getUTCDate(), resets.getUTCHours(), resets > new Date()]).toEqual([1, 0, true]);
  });

  test("and the server's keys are for the owner of the files alone", async () => {
    for (const name of ["first-account.json", "secrets.json"]) {
      expect((await stat(join(server.directory, "server", name))).mode & 0o777).toBe(0o600);
    }
    const kept = JSON.parse(await readFile(join(server.directory, "server", "first-account.json"), "utf8"));
    expect(kept.credential).toEqual(server.credential);
  });
});

describe("accounts", () => {
  test("sign up, out and in again", async () => {
    const member = await server.join("Grace");
    expect(await member.api.account.get.query()).toMatchObject({ email: member.email, name: "Grace" });
    const out = await post("/api/auth/sign-out", {}, member.headers);
    expect(out.status).toBe(200);
    await expect(member.api.account.get.query()).rejects.toMatchObject({ data: { code: "UNAUTHORIZED" } });
    const back = await signIn(member.email, MEMBER_PASSWORD);
    expect(back.status).toBe(200);
    expect((await get("/api/v1/account", { cookie: cookiesOf(back) })).status).toBe(200);
  });

  test("a session that was ended elsewhere is over at once, though it was used a moment ago", async () => {
    const member = await server.join();
    const other = await signIn(member.email, MEMBER_PASSWORD, "198.51.100.206");
    const headers = { cookie: cookiesOf(other) };
    expect((await get("/api/v1/account", headers)).status).toBe(200);
    const ended = await post("/api/auth/revoke-other-sessions", {}, member.headers);
    expect(ended.status).toBe(200);
    expect((await get("/api/v1/account", headers)).status).toBe(401);
    expect((await get("/api/v1/account", member.headers)).status).toBe(200);
  });

  test("another password ends the other sessions when that is asked for", async () => {
    const member = await server.join();
    const other = await signIn(member.email, MEMBER_PASSWORD, "198.51.100.207");
    const headers = { cookie: cookiesOf(other) };
    expect((await get("/api/v1/account", headers)).status).toBe(200);
    const changed = await post(
      "/api/auth/change-password",
      { currentPassword: MEMBER_PASSWORD, newPassword: "another long password", revokeOtherSessions: true },
      member.headers,
    );
    expect(changed.status).toBe(200);
    expect((await get("/api/v1/account", headers)).status).toBe(401);
    expect((await signIn(member.email, MEMBER_PASSWORD, "198.51.100.208")).status).toBe(401);
  });

  test("a wrong password and an unknown address get the same answer", async () => {
    const member = await server.join();
    const wrong = await signIn(member.email, "not the right password", "198.51.100.201");
    const unknown = await signIn("nobody@example.test", MEMBER_PASSWORD, "198.51.100.202");
    expect([wrong.status, await wrong.text()]).toEqual([unknown.status, await unknown.text()]);
    expect(wrong.status).toBe(401);
  });

  test("the token of a session, as the database has it, is not enough to use the session", async () => {
    const member = await server.join();
    const [name, value = ""] = member.headers.cookie?.split("=") ?? [];
    const token = decodeURIComponent(value).split(".")[0];
    const unsigned = await get("/api/v1/account", { cookie: `${name}=${token}` });
    expect(unsigned.status).toBe(401);
  });

  test("after three attempts to sign in from one address the fourth has to wait, and is told how long", async () => {
    const member = await server.join();
    const attempt = () => signIn(member.email, "not the right password", "198.51.100.203");
    expect([(await attempt()).status, (await attempt()).status, (await attempt()).status]).toEqual([
      401, 401, 401,
    ]);
    const refused = await attempt();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await signIn(member.email, MEMBER_PASSWORD, "198.51.100.204")).status).toBe(200);
  });

  test("a short password is refused", async () => {
    const answer = await post(
      "/api/auth/sign-up/email",
      { email: "short@example.test", name: "S", password: "elevenchars" },
      { "x-forwarded-for": "198.51.100.205" },
    );
    expect(answer.status).toBe(400);
  });
});

describe("credentials", () => {
  test("are issued, rotated and revoked; the password is shown then and works until the next", async () => {
    const member = await server.join();
    const first = await member.api.credentials.create.mutate({ label: "laptop" });
    expect(first.credential.username).toMatch(/^atl_[a-z0-9]{8}$/);
    expect(first.password).toMatch(/^[a-z2-7]{26}$/);
    await works(first.credential.username, first.password);
    const second = await member.api.credentials.rotate.mutate({ id: first.credential.id });
    expect(second.credential.username).toBe(first.credential.username);
    await fails(first.credential.username, first.password);
    await works(second.credential.username, second.password);
    const { credential } = await member.api.credentials.revoke.mutate({ id: first.credential.id });
    expect(credential.revokedAt).not.toBeNull();
    await fails(second.credential.username, second.password);
    const { credentials } = await member.api.credentials.list.query();
    expect(credentials).toEqual([credential]);
    expect(JSON.stringify(credentials)).not.toContain(second.password);
  });

  test("may ask for exits, status and usage, and nothing else", async () => {
    const member = await server.join();
    const { credential, password } = await member.api.credentials.create.mutate({ label: "companion" });
    const { api } = server.program({ username: credential.username, password });
    await api.exits.list.query();
    await api.proxy.status.query();
    await api.usage.summary.query();
    const forbidden = { data: { code: "FORBIDDEN" } };
    await expect(api.account.get.query()).rejects.toMatchObject(forbidden);
    await expect(api.credentials.list.query()).rejects.toMatchObject(forbidden);
    await expect(api.credentials.create.mutate({ label: "x" })).rejects.toMatchObject(forbidden);
    await expect(api.usage.series.query({ range: "day" })).rejects.toMatchObject(forbidden);
  });

  test("guessing is slowed: after twenty wrong passwords an address is not listened to", async () => {
    const headers = {
      authorization: `Basic ${Buffer.from("atl_nobody00:wrong").toString("base64")}`,
      "x-forwarded-for": "203.0.113.9",
    };
    const answers = [];
    for (let attempt = 0; attempt < 21; attempt++) answers.push((await get("/api/v1/usage", headers)).status);
    expect(answers).toEqual([...Array(20).fill(401), 429]);
    expect((await get("/api/v1/usage", { ...headers, "x-forwarded-for": "203.0.113.10" })).status).toBe(401);
  });

  async function works(username: string, password: string) {
    await expect(server.program({ username, password }).api.usage.summary.query()).resolves.toBeDefined();
  }
  async function fails(username: string, password: string) {
    await expect(server.program({ username, password }).api.usage.summary.query()).rejects.toThrow(
      "no live credential",
    );
  }
});

describe("another account", () => {
  const missing = "atl_00000000";

  test("can see and change nothing: what is there and what is not look the same", async () => {
    const owner = await server.join();
    const other = await server.join("Mallory");
    const { credential } = await owner.api.credentials.create.mutate({ label: "private label" });
    const theirs = await other.api.credentials.list.query();
    expect(theirs.credentials).toEqual([]);
    for (const ask of [
      (id: string) => other.api.credentials.rotate.mutate({ id }),
      (id: string) => other.api.credentials.revoke.mutate({ id }),
      (id: string) => other.api.proxy.connect.mutate({ exit: {}, credentialId: id }),
    ]) {
      const [there, absent] = await Promise.all([refusal(ask(credential.id)), refusal(ask(missing))]);
      expect(there).toEqual(absent);
      expect(there.data?.code).toBe("NOT_FOUND");
    }
    const { credentials } = await owner.api.credentials.list.query();
    expect(credentials).toEqual([credential]);
  });

  async function refusal(asked: Promise<unknown>) {
    const error = await asked.then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!(error instanceof TRPCClientError)) throw new Error("was not refused");
    return error.shape as { message: string; data?: { code: string } };
  }
});

describe("proxy.connect", () => {
  test("writes the user name of the exit and lines to paste, without the password", async () => {
    const member = await server.join();
    const { credential, password } = await member.api.credentials.create.mutate({ label: "laptop" });
    const recipe = await member.api.proxy.connect.mutate({
      exit: { country: "us", city: "new_york" },
      session: { id: "abc1", lifetimeMinutes: 30, mode: "flex" },
    });
    expect(recipe.username).toBe(`${credential.username}-cc-us-city-new_york-sid-abc1-ttl-30`);
    expect(recipe.curlHttp).toContain(`http://${recipe.username}:••••@`);
    expect(recipe.curlSocks5).toMatch(/socks5h:\/\/.* https:\/\/example\.com\/$/);
    expect(JSON.stringify(recipe)).not.toContain(password);
  });
});

describe("what another site makes a browser send", () => {
  test.each([
    ["the fetch metadata of another site", { "sec-fetch-site": "cross-site" }],
    ["another site's origin", { origin: "https://evil.example" }],
    ["an opaque origin", { origin: "null" }],
    ["a form's content type", { origin: "SELF", "content-type": "text/plain" }],
    ["nothing that names a site", {}],
  ])("is refused: %s", async (_, extra: Record<string, string>) => {
    const member = await server.join();
    const { cookie = "" } = member.headers;
    const origin = extra.origin === "SELF" ? { origin: server.url } : {};
    const answer = await fetch(`${server.url}/api/trpc/credentials.create`, {
      method: "POST",
      headers: { "content-type": "application/json", cookie, ...extra, ...origin },
      body: JSON.stringify({ label: "stolen" }),
    });
    // 415 is the procedure layer's own word for a body that is no JSON.
    expect([403, 415]).toContain(answer.status);
    expect((await member.api.credentials.list.query()).credentials).toEqual([]);
  });

  test("a mutation is not taken by GET, nor more procedures in a batch than are allowed", async () => {
    const member = await server.join();
    const input = encodeURIComponent(JSON.stringify({ label: "stolen" }));
    expect((await get(`/api/trpc/credentials.create?input=${input}`, member.headers)).status).toBe(405);
    const many = Array(21).fill("account.get").join(",");
    expect((await get(`/api/trpc/${many}?batch=1`, member.headers)).status).toBe(400);
  });
});

/** Not in the document: they send while they go on. */
const streams = ["usage.live", "receipts.download"];

describe("the API", () => {
  test("is described as OpenAPI, with every procedure but those that stream", async () => {
    const document = (await (await get("/api/openapi.json")).json()) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const operations = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map((operation) => operation.operationId),
    );
    const procedures = Object.keys(appRouter._def.procedures).filter((name) => !streams.includes(name));
    expect(operations.sort()).toEqual(procedures.map((name) => name.replace(".", "-")).sort());
  });

  test("gives the same over REST as over tRPC", async () => {
    const member = await server.join();
    const created = await post("/api/v1/credentials", { label: "by REST" }, member.headers);
    expect(created.status).toBe(200);
    const listed = await (await get("/api/v1/credentials", member.headers)).json();
    expect(listed).toEqual(await member.api.credentials.list.query());
    const connections = await get("/api/v1/connections?limit=5&open=false", member.headers);
    expect(await connections.json()).toEqual({ connections: [], next: null });
  });

  test.each([
    ["a missing text", "POST", "/credentials", {}, 400],
    ["a number for a text", "POST", "/credentials", { label: 7 }, 400],
    ["a list for an object", "POST", "/credentials", [], 400],
    ["what is no JSON", "POST", "/credentials", "{", 400],
    ["a body that is too long", "POST", "/credentials", { label: "x".repeat(300_000) }, 413],
    ["a limit that is no number", "GET", "/connections?limit=many", undefined, 400],
    ["a yes that is no yes", "GET", "/connections?open=yes", undefined, 400],
    ["an id that is none", "POST", "/credentials/%00/rotate", {}, 400],
    ["an escape that is none", "POST", "/credentials/%zz/rotate", {}, 400],
    ["an address that is not there", "GET", "/nothing", undefined, 404],
    ["another method", "DELETE", "/credentials", {}, 405],
  ])("REST refuses %s, before and after right ones", async (_, method, path, body, status) => {
    const member = await server.join();
    await get("/api/v1/connections?limit=5&open=true", member.headers);
    const answer = await fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: { "content-type": "application/json", ...member.headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    expect([answer.status, await answer.json()]).toEqual([
      status,
      expect.objectContaining({ code: expect.any(String) }),
    ]);
    expect((await member.api.credentials.list.query()).credentials).toEqual([]);
  });

  test("shows usage of an account without traffic as zeros in every bucket", async () => {
    const member = await server.join();
    const { bucketMs, points } = await member.api.usage.series.query({ range: "week" });
    expect([bucketMs, points.length]).toEqual([6 * 3_600_000, 28]);
    expect(points.every((point, index) => point.at === (points[0]?.at ?? 0) + index * bucketMs)).toBe(true);
    expect(await member.api.usage.byExit.query({ range: "month" })).toEqual({ exits: [] });
    expect((await member.api.usage.summary.query()).balance.allowanceBytes).toBe("1000000000");
  });

  test("tells the state of each part, and browsers what they may do", async () => {
    const health = await get("/health");
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ state: "up", parts: { database: { state: "up" } } });
    expect(health.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(health.headers.get("x-content-type-options")).toBe("nosniff");
  });
});

describe("behind https", () => {
  test("the session's cookie is bound to the host and to https, and works", async () => {
    const secure = await startTemporaryServer({
      ATLANTIC_ROLES: "web",
      ATLANTIC_WEB_URL: "https://proxy.example",
    });
    const signedUp = await fetch(`${secure.url}/api/auth/sign-up/email`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: "ada@example.test", name: "Ada", password: MEMBER_PASSWORD }),
    });
    const [cookie = ""] = signedUp.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-atlantic\.session_token=.*; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    const answer = await fetch(`${secure.url}/api/v1/account`, { headers: { cookie: cookiesOf(signedUp) } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("strict-transport-security")).toContain("max-age");
    await secure.close();
  });
});

describe("the record of what was done", () => {
  test("holds what happened to credentials and sign-ins, in an unbroken chain, without secrets; passwords are argon2id", async () => {
    const own = await startTemporaryServer({ ATLANTIC_ROLES: "web" });
    const member = await own.join();
    const { credential, password } = await member.api.credentials.create.mutate({ label: "laptop" });
    await member.api.credentials.rotate.mutate({ id: credential.id });
    await member.api.credentials.revoke.mutate({ id: credential.id });
    await post(
      "/api/auth/sign-in/email",
      { email: member.email, password: "not the right password" },
      {},
      own.url,
    );
    await post(
      "/api/auth/change-password",
      { currentPassword: MEMBER_PASSWORD, newPassword: "another long password" },
      member.headers,
      own.url,
    );
    const copy = own.directory;
    await own.stop();
    const database = await openDatabase({ kind: "pglite", directory: join(copy, "server", "pglite") });
    const { AuditLog } = await import("./services/audit-log.ts");
    const rows = await database.db.selectFrom("audit_log").selectAll().orderBy("id").execute();
    expect(rows.map((row) => row.action)).toEqual([
      "account.created",
      "account.signed_in",
      "credential.created",
      "credential.rotated",
      "credential.revoked",
      "account.sign_in_refused",
      "account.password_set",
    ]);
    expect(rows.at(-1)?.user_id).toBe(rows[0]?.user_id);
    const { password: hash } = await database.db
      .selectFrom("account")
      .select("password")
      .executeTakeFirstOrThrow();
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const text = JSON.stringify(rows, (_, value) => (typeof value === "bigint" ? String(value) : value));
    expect(text).not.toContain(password);
    expect(await new AuditLog().firstBroken(database.db)).toBeNull();
    await database.close();
    await own.close();
  });
});

function signInOnce(token: string | undefined): Promise<Response> {
  return post("/api/auth/sign-in/once", { token }, { "x-forwarded-for": "198.51.100.250" });
}

function signIn(email: string, password: string, address = "198.51.100.251"): Promise<Response> {
  return post("/api/auth/sign-in/email", { email, password }, { "x-forwarded-for": address });
}

function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, { headers });
}

function post(
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  url = server.url,
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url, ...headers },
    body: JSON.stringify(body),
  });
}
