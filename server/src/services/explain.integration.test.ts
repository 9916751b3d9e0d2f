import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dialThroughConnect } from "@atlantic/native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { upstreamsFileSchema } from "../gateway/upstreams/configuration.ts";
import { upstreamExplainer } from "../gateway/upstreams/explain-upstreams.ts";
import { type Member, startTemporaryServer, type TemporaryServer } from "../testing/temporary-server.ts";
import type { Caller } from "./caller.ts";
import { ExplainService } from "./explain.ts";
import type { SessionState } from "./live-gateway.ts";
import { noGateway } from "./testing/no-gateway.ts";

const NOW = new Date("2026-12-01T02:30:00Z");

const file = upstreamsFileSchema.parse({
  upstreams: [
    { kind: "oxylabs", username: "acme", password: "hunter2" },
    {
      kind: "generic",
      name: "office",
      protocol: "socks5",
      host: "proxy.example",
      port: 1080,
      username: "secretary",
      password: "hunter2",
      places: [{ country: "nl", label: "Office" }],
    },
    { kind: "local" },
  ],
});

test("upstreams are explained in the order in which they are asked, and the pool's alone is asked", () => {
  const explain = upstreamExplainer({ ...file, order: ["local", "office"] });
  expect(explain({}, null).map(({ name }) => name)).toEqual(["local", "office", "oxylabs"]);
  expect(explain({ pool: "office" }, null).map(({ refusal }) => refusal)).toEqual([
    "It is not the pool office.",
    null,
    "It is not the pool office.",
  ]);
});

test("of several countries each upstream is asked for one that it has", () => {
  const asked = upstreamExplainer(file)({ countries: ["nl", "de"] }, null);
  expect(asked.map(({ name, refusal }) => [name, refusal])).toEqual([
    ["oxylabs", null],
    ["office", null],
    ["local", null],
  ]);
  expect(asked[0]?.asked?.username).toBe("customer-••••-cc-NL");
});

describe.each(databaseKinds)("what a user name means, on %s", (kind) => {
  let database: OpenDatabase;
  let session: SessionState | undefined;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(() => database.close());

  async function newAccount() {
    const userId = randomUUID();
    const username = `atl_${randomUUID().slice(0, 8)}`;
    await database.db
      .insertInto("user")
      .values({ id: userId, name: "Ada", email: `${userId}@example.test`, image: null })
      .execute();
    await database.db
      .insertInto("proxy_credentials")
      .values({
        id: username,
        user_id: userId,
        username,
        password_hmac: Buffer.alloc(32),
        label: "laptop",
        last_used_at: null,
        revoked_at: null,
      })
      .execute();
    const caller: Caller = {
      principal: { kind: "credential", userId, credentialId: username },
      address: null,
      userAgent: null,
      requestId: null,
    };
    return { caller, userId, username };
  }

  function service() {
    return new ExplainService({
      db: database.db,
      gateway: { ...noGateway, peekSession: () => session },
      upstreams: upstreamExplainer(file),
      now: () => NOW,
    });
  }

  test("which upstreams would be asked, in their order, each in its own spelling and without a secret", async () => {
    const { caller, username } = await newAccount();
    const explanation = await service().explain(caller, `${username}-cc-us-city-new_york-sid-a-ttl-30`);
    expect(explanation).toMatchObject({
      error: null,
      price: null,
      session: null,
      limits: { remainingBytes: null, authentication: "password", requestsPerSecond: null, bandwidth: null },
    });
    expect(explanation.upstreams).toEqual([
      {
        name: "oxylabs",
        label: "Oxylabs",
        refusal: null,
        asked: {
          protocol: "http",
          host: "pr.oxylabs.io",
          port: 7777,
          username: "customer-••••-cc-US-city-new_york-sessid-••••-sesstime-30",
          password: "••••",
        },
        evidence: "vendor",
        lifetimeMinutes: 30,
      },
      expect.objectContaining({ name: "office", refusal: "It offers no such place.", asked: null }),
      expect.objectContaining({ name: "local", refusal: null, asked: null }),
    ]);
    expect(JSON.stringify(explanation.upstreams)).not.toMatch(/hunter2|acme|secretary/);
  });

  test("the price is the plan's, and there is none without a plan", async () => {
    const { caller, userId, username } = await newAccount();
    const planId = `plan-${randomUUID().slice(0, 8)}`;
    await database.db
      .insertInto("plans")
      .values({
        id: planId,
        code: planId,
        version: 1,
        name: "Pro",
        currency: "EUR",
        interval: "month",
        price_per_gb: "2.75",
      })
      .execute();
    const period = { anchor_at: NOW, period_start: new Date("2026-11-15"), cancel_at: null };
    await database.db
      .insertInto("subscriptions")
      .values({
        user_id: userId,
        plan_id: planId,
        status: "active",
        ...period,
        period_end: new Date("2026-12-15"),
      })
      .execute();
    expect((await service().explain(caller, username)).price).toMatchObject({
      plan: "Pro",
      currency: "EUR",
      pricePerGb: expect.stringMatching(/^2\.750*$/),
    });
  });

  test("the limits are the account's, and what they forbid is the answer", async () => {
    const { caller, userId, username } = await newAccount();
    await database.db
      .insertInto("throttling_settings")
      .values({ user_id: userId, requests_per_second: 5, bandwidth_limit: 1_000_000n })
      .execute();
    await database.db
      .insertInto("traffic_balances")
      .values({ user_id: userId, allowance_bytes: 100n, used_bytes: 130n, resets_at: null })
      .execute();
    expect(await service().explain(caller, `${username}-cc-us`)).toMatchObject({
      limits: { requestsPerSecond: 5, bandwidth: 1_000_000n, remainingBytes: 0n },
      error: { code: "quota_exhausted", httpStatus: 403, socks5Reply: 2 },
    });
  });

  test("a place that nobody has is no_exit, with what the first of them cannot choose by", async () => {
    const { caller, username } = await newAccount();
    const { error, upstreams } = await service().explain(caller, `${username}-cc-de-zip-10115`);
    expect(error).toMatchObject({ code: "no_exit", httpStatus: 503, socks5Reply: 1 });
    expect(error?.detail).toMatch(/^Oxylabs knows postal codes of the United States only/);
    expect(upstreams[1]).toMatchObject({ name: "office", refusal: "It offers no such place." });
  });

  test("a session that lost its address is said to have lost it", async () => {
    const { caller, username } = await newAccount();
    session = { expiresAt: NOW.getTime() + 60_000, upstream: "oxylabs", lost: true };
    expect(await service().explain(caller, `${username}-sid-a-mode-oneip`)).toMatchObject({
      session: { lost: true, upstream: "oxylabs" },
      error: { code: "session_lost" },
    });
    expect(await service().explain(caller, username)).toMatchObject({ session: null, error: null });
    session = undefined;
  });

  test("the session of the account's settings stands in where the name asks for none", async () => {
    const { caller, userId, username } = await newAccount();
    await database.db
      .insertInto("session_settings")
      .values({ user_id: userId, enabled: true, session_duration: 20, ip_stickiness: "oneip" })
      .execute();
    expect(await service().explain(caller, `${username}-cc-us`)).toMatchObject({
      accountSession: { session: { lifetimeMinutes: 20, mode: "oneip" } },
      upstreams: [{ asked: { username: "customer-••••-cc-US-sessid_oneip-••••" } }, {}, {}],
    });
    expect(await service().explain(caller, `${username}-cc-us-sid-a`)).toMatchObject({
      accountSession: null,
    });
  });

  test("another account's credential is answered as one that there is not", async () => {
    const { caller } = await newAccount();
    const other = await newAccount();
    const answers = await Promise.all(
      [other.username, "atl_nobody00"].map((name) => service().explain(caller, name)),
    );
    expect(answers.map(({ error, limits }) => [error, limits])).toEqual([
      [
        // As clients get it: see gateway/authenticator.ts.
        expect.objectContaining({
          code: "wrong_credentials",
          detail: null,
          httpStatus: 407,
          socks5Reply: null,
        }),
        null,
      ],
      [answers[0]?.error, null],
    ]);
  });

  test("a name that cannot be read is explained, not refused", async () => {
    const { caller, username } = await newAccount();
    expect(await service().explain(caller, `${username}-contry-de`)).toMatchObject({
      username: { readable: false, at: { start: username.length + 1, end: username.length + 7 } },
      error: { code: "bad_username", httpStatus: 400, socks5Reply: null },
    });
  });
});

describe("by HTTP", () => {
  let server: TemporaryServer;
  let member: Member;

  beforeAll(async () => {
    server = await startTemporaryServer(
      { ATLANTIC_ROLES: "web", ATLANTIC_DEMONSTRATION: "0" },
      async (directory) => {
        await mkdir(join(directory, "server"), { recursive: true });
        await writeFile(
          join(directory, "server", "upstreams.json"),
          JSON.stringify({ upstreams: [{ kind: "oxylabs", username: "acme", password: "hunter2" }] }),
        );
      },
    );
    member = await server.join();
  });
  afterAll(() => server.close());

  test.each(["/api/proxy/explain", "/api/v1/proxy/explain"])(
    "POST %s answers a credential of the gateway",
    async (path) => {
      const { credential, password } = await member.api.credentials.create.mutate({ label: "laptop" });
      const { headers } = server.program({ username: credential.username, password });
      const answer = await fetch(`${server.url}${path}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ username: `${credential.username}-cc-de` }),
      });
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({
        username: { readable: true, canonical: `${credential.username}-cc-de` },
        error: null,
        upstreams: [{ name: "oxylabs", asked: { username: "customer-••••-cc-DE" }, evidence: "vendor" }],
        price: null,
        limits: { authentication: "password" },
      });
    },
  );

  test("atlantic explain asks with the companion's credential, and prints it for people", async () => {
    const { credential, password } = await member.api.credentials.create.mutate({ label: "companion" });
    const upstream = {
      kind: "gateway",
      host: "127.0.0.1",
      port: 1,
      username: credential.username,
      password,
      apiUrl: server.url,
    };
    await mkdir(join(server.directory, "companion"), { recursive: true });
    await writeFile(join(server.directory, "companion", "config.json"), JSON.stringify({ upstream }));
    const good = await atlantic(server.directory, `${credential.username}-cc-de-sid-a`);
    expect(good).toMatchObject({ code: 0, err: "" });
    expect(good.out).toContain("leaves in Germany");
    expect(good.out).toMatch(/1\. Oxylabs.*as customer-••••-cc-DE-sessid-••••-sesstime-10:••••/);
    expect(good.out).toContain("no plan: no price is agreed on");
    expect(good.out).toContain("A connection with this name would be tried.");
    expect(good.out).not.toMatch(/hunter2|acme/);
    const wrong = await atlantic(server.directory, `${credential.username}-contry-de`);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain(
      `${" ".repeat(credential.username.length + 1)}^^^^^^\nIt would be refused: bad_username`,
    );
    const json = await atlantic(server.directory, "atl_nobody00-cc-de", "--json");
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: "wrong_credentials", httpStatus: 407 } });
  });
});

test("a session is looked at where it lives, and looking does not begin it", async () => {
  const server = await startTemporaryServer();
  try {
    const member = await server.join();
    const { credential, password } = await member.api.credentials.create.mutate({ label: "laptop" });
    const username = `${credential.username}-cc-de-sid-a-ttl-30`;
    const explained = () => member.api.proxy.explain.mutate({ username });
    expect((await explained()).session).toBeNull();
    expect((await explained()).session).toBeNull();
    const { host, port } = server.gateway;
    const target = { host: server.demonstration?.echoHost ?? "", port: 80 };
    const proxy = { host, port, username, password };
    const { socket } = await dialThroughConnect({ proxy, target, timeoutMs: 10_000 });
    const { session } = await explained();
    expect(session).toMatchObject({ upstream: "local", lost: false });
    expect(session?.expiresAt).toBeGreaterThan(Date.now() + 25 * 60_000);
    socket.destroy();
  } finally {
    await server.close();
  }
});

const command = new URL("../../../companion/bin/atlantic.mjs", import.meta.url).pathname;

function atlantic(
  directory: string,
  ...words: string[]
): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, ATLANTIC_DATA: directory };
  return new Promise((resolve) => {
    execFile(process.execPath, [command, "explain", ...words], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
}
