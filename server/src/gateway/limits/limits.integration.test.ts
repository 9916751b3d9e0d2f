import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type DialThroughOptions, dialThroughConnect, dialThroughSocks5 } from "@atlantic/native";
import type { KyselyPlugin } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../../db/testing/temporary-database.ts";
import { newPassword, passwordHmac } from "../../services/credential-secret.ts";
import { Authenticator } from "../authenticator.ts";
import { StoredCredentials } from "../stored-credentials.ts";
import { createAccount, HMAC_KEY, type TestAccount } from "../testing/gateway-fixture.ts";
import { type LimitedGateway, startLimitedGateway } from "../testing/limited-gateway.ts";

/** What is promised: a change holds for what is open within this time, in every process. */
const AT_ONCE = { timeout: 1_000, interval: 10 };

describe.each(databaseKinds)("limits of a credential, on %s", (kind) => {
  let database: OpenDatabase;
  /** Two, as two processes on one database. */
  let gateways: LimitedGateway[];
  let site: Server;
  let sitePort: number;
  let account: TestAccount;
  const open = new Set<Socket>();

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
    gateways = await Promise.all([startLimitedGateway(database), startLimitedGateway(database)]);
    site = createServer((socket) => {
      socket.on("error", () => {});
      const chunk = Buffer.alloc(65_536);
      const more = () => {
        while (socket.writable && socket.write(chunk));
      };
      socket.once("data", more);
      socket.on("drain", more);
    });
    site.listen(0, "127.0.0.1");
    await once(site, "listening");
    const address = site.address();
    sitePort = typeof address === "object" && address ? address.port : 0;
  });
  afterAll(async () => {
    await Promise.all(gateways.map((one) => one.close()));
    await database.close();
    site.close();
  });
  beforeEach(async () => {
    account = await createAccount(database.db);
  });
  afterEach(() => {
    for (const socket of open) socket.destroy();
    open.clear();
  });

  async function tunnel(
    gateway = 0,
    password = account.password,
    target = "127.0.0.1",
    dial: (options: DialThroughOptions) => Promise<{ socket: Socket }> = dialThroughConnect,
  ) {
    const proxy = {
      host: "127.0.0.1",
      port: gateways[gateway]?.gateway.port ?? 0,
      username: account.username,
      password,
    };
    const { socket } = await dial({ proxy, target: { host: target, port: sitePort }, timeoutMs: 5_000 });
    open.add(socket);
    socket.on("error", () => {});
    socket.resume();
    return socket;
  }

  const throttle = (limits: {
    requests_per_second?: number;
    bandwidth_limit?: bigint | null;
    connections?: number;
  }) => {
    const whole = { requests_per_second: null, bandwidth_limit: null, connections: null, ...limits };
    return database.db
      .insertInto("throttling_settings")
      .values({ user_id: account.userId, credential_id: account.username, ...whole })
      .onConflict((on) => on.column("credential_id").doUpdateSet(whole))
      .execute();
  };

  const rules = (changed: {
    allowed_ports?: string[];
    blocked_targets?: string[];
    allowed_targets?: string[];
  }) => {
    const whole = {
      allowed_ports: changed.allowed_ports ? JSON.stringify(changed.allowed_ports) : null,
      allowed_targets: changed.allowed_targets ? JSON.stringify(changed.allowed_targets) : null,
      blocked_targets: JSON.stringify(changed.blocked_targets ?? []),
    };
    return database.db
      .insertInto("target_rules")
      .values({ user_id: account.userId, credential_id: account.username, ...whole })
      .onConflict((on) => on.column("credential_id").doUpdateSet(whole))
      .execute();
  };

  const outcomes = async () =>
    (
      await database.db
        .selectFrom("proxy_connections")
        .select("outcome")
        .where("user_id", "=", account.userId)
        .execute()
    ).map(({ outcome }) => outcome);

  test("a credential that is revoked anywhere loses its connections everywhere", async () => {
    const sockets = [await tunnel(0), await tunnel(1)];
    await database.db
      .updateTable("proxy_credentials")
      .set({ revoked_at: new Date() })
      .where("id", "=", account.username)
      .execute();
    await expect.poll(() => sockets.every((socket) => socket.closed), AT_ONCE).toBe(true);
    for (const gateway of [0, 1]) {
      await expect(tunnel(gateway)).rejects.toMatchObject({ code: "wrong_credentials" });
    }
    await expect.poll(outcomes).toEqual(["credential_revoked", "credential_revoked"]);
  });

  test("with another password, connections made with the old one end, and those with the new one stay", async () => {
    const sockets = [await tunnel(0), await tunnel(1)];
    const password = newPassword();
    await database.db
      .updateTable("proxy_credentials")
      .set({ password_hmac: passwordHmac(HMAC_KEY, password) })
      .where("id", "=", account.username)
      .execute();
    await expect.poll(() => sockets.every((socket) => socket.closed), AT_ONCE).toBe(true);
    await expect(tunnel(0)).rejects.toMatchObject({ code: "wrong_credentials" });
    const fresh = await tunnel(0, password);
    await throttle({ connections: 50 });
    await expect.poll(() => gateways[0]?.gateway.countOpen(account.userId)).toBe(1);
    expect(fresh.closed).toBe(false);
  });

  test("bandwidth is held, and changes under what is moving", async () => {
    const socket = await tunnel();
    let came = 0;
    socket.on("data", (chunk: Buffer) => {
      came += chunk.length;
    });
    const after = async (ms: number) => {
      const before = came;
      const began = performance.now();
      await new Promise((resolve) => setTimeout(resolve, ms));
      return ((came - before) / (performance.now() - began)) * 1_000;
    };
    await throttle({ bandwidth_limit: 2_000_000n });
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.write("go");
    await once(socket, "data");
    const slow = await after(1_000);
    expect(slow).toBeLessThan(3_500_000);
    await throttle({ bandwidth_limit: null });
    await expect.poll(() => after(100)).toBeGreaterThan(slow * 3);
  });

  test("a target that is no longer allowed is cut off, and refused to those who come", async () => {
    const socket = await tunnel();
    const other = await tunnel(1);
    await rules({ blocked_targets: [`127.0.0.0/8:${sitePort}`] });
    await expect.poll(() => socket.closed && other.closed, AT_ONCE).toBe(true);
    await expect.poll(outcomes).toEqual(["target_not_allowed", "target_not_allowed"]);
    await expect(tunnel()).rejects.toThrow(/403|not allowed|blocked|refused/i);
    await expect(tunnel(0, account.password, "127.0.0.1", dialThroughSocks5)).rejects.toThrow();
    await expect(tunnel(0, account.password, "localhost")).rejects.toThrow();
    await rules({ allowed_targets: ["localhost"] });
    await expect
      .poll(
        () =>
          tunnel(0, account.password, "localhost").then(
            () => true,
            () => false,
          ),
        AT_ONCE,
      )
      .toBe(true);
    await expect(tunnel()).rejects.toThrow();
    await rules({ allowed_ports: ["1-79"] });
    await expect
      .poll(
        () =>
          tunnel(0, account.password, "localhost").then(
            () => true,
            () => false,
          ),
        AT_ONCE,
      )
      .toBe(false);
  });

  test("requests per second and connections are held", async () => {
    await throttle({ requests_per_second: 3 });
    const answers = await Promise.allSettled(Array.from({ length: 10 }, () => tunnel()));
    const passed = answers.filter(({ status }) => status === "fulfilled").length;
    expect(passed).toBeGreaterThanOrEqual(3);
    expect(passed).toBeLessThanOrEqual(5);
    await expect.poll(outcomes).toContain("request_limit");
    for (const socket of open) socket.destroy();
    await expect.poll(() => gateways[0]?.gateway.countOpen(account.userId)).toBe(0);
    await throttle({ connections: 2 });
    await expect
      .poll(
        () =>
          tunnel().then(
            () => true,
            () => false,
          ),
        AT_ONCE,
      )
      .toBe(true);
    await tunnel();
    await expect(tunnel()).rejects.toThrow();
    await expect.poll(outcomes).toContain("connection_limit");
  });

  test("a read that is under way while a credential is revoked is not believed", async () => {
    let release = () => {};
    let reads = 0;
    const held: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        reads += 1;
        if (reads === 1)
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        return result;
      },
    };
    const credentials = new StoredCredentials({ db: database.db.withPlugin(held), key: HMAC_KEY });
    const answer = Promise.resolve(credentials.verify(account.username, account.password));
    await expect.poll(() => reads).toBe(1);
    await database.db
      .updateTable("proxy_credentials")
      .set({ revoked_at: new Date() })
      .where("id", "=", account.username)
      .execute();
    credentials.suspect(() => true);
    release();
    expect(await answer).toBeUndefined();
  });

  test("an identity that was shown before a revocation opens nothing after it", async () => {
    const credentials = new StoredCredentials({ db: database.db, key: HMAC_KEY });
    const identity = await new Authenticator(credentials, Date.now).fromLogin(
      account.username,
      account.password,
      "127.0.0.1",
    );
    credentials.forget(account.username);
    expect(identity.credential.ended).toBe(true);
  });

  test("a flood of clients that show nothing is shut out, and a customer at the same address is not", async () => {
    const own = await startLimitedGateway(database, { guard: { strangersAtOnce: 8, strangersPerSecond: 1 } });
    const { port } = own.gateway;
    const strangers = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = connect(port, "127.0.0.1");
        open.add(socket);
        socket.on("error", () => {});
        await once(socket, "connect");
        socket.write("GET http://x/ HTTP/1.1\r\n");
        return socket;
      }),
    );
    const shutOut = () => strangers.filter((socket) => socket.closed || socket.readableEnded).length;
    for (const socket of strangers) socket.resume();
    await expect.poll(shutOut).toBe(32);
    for (const socket of strangers.slice(0, 40)) socket.destroy();
    const customer = async () => {
      const proxy = { host: "127.0.0.1", port, username: account.username, password: account.password };
      const { socket } = await dialThroughConnect({
        proxy,
        target: { host: "127.0.0.1", port: sitePort },
        timeoutMs: 5_000,
      });
      socket.destroy();
    };
    await expect
      .poll(
        () =>
          customer().then(
            () => true,
            () => false,
          ),
        { timeout: 5_000 },
      )
      .toBe(true);
    for (let count = 0; count < 30; count++) await customer();
    await own.close();
  });

  test.each([403, 407] as const)(
    "used up traffic is told with the status that is set: %i",
    async (quotaStatus) => {
      const own = await startLimitedGateway(database, { limits: { quotaStatus } });
      const { username, password } = await createAccount(database.db, 0n);
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
      const ask = async (head: string) => {
        const socket = connect(own.gateway.port, "127.0.0.1");
        open.add(socket);
        socket.write(`${head}\r\nHost: x\r\nProxy-Authorization: ${authorization}\r\n\r\n`);
        const [answer] = await once(socket, "data");
        return String(answer);
      };
      for (const head of [
        `CONNECT 127.0.0.1:${sitePort} HTTP/1.1`,
        `GET http://127.0.0.1:${sitePort}/ HTTP/1.1`,
      ]) {
        const answer = await ask(head);
        expect(answer).toContain(`HTTP/1.1 ${quotaStatus} `);
        expect(answer).toContain('details="quota_exhausted"');
      }
      await own.close();
    },
  );

  describe("by address", () => {
    const list = (auth_method: "address" | "password_and_address", ...addresses: string[]) =>
      database.db
        .insertInto("proxy_authentication")
        .values({
          user_id: account.userId,
          username: account.username,
          auth_method,
          allowed_addresses: JSON.stringify(addresses),
        })
        .onConflict((on) =>
          on.column("username").doUpdateSet({ auth_method, allowed_addresses: JSON.stringify(addresses) }),
        )
        .execute();
    const authenticator = () =>
      new Authenticator(new StoredCredentials({ db: database.db, key: HMAC_KEY }), Date.now);
    const codeOf = async (attempt: () => unknown) => {
      try {
        await attempt();
        return "fine";
      } catch (error) {
        return error instanceof Error && "code" in error ? error.code : error;
      }
    };
    const header = (username: string, password = "") =>
      `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

    test("a listed client needs no password, and no user name; others are refused", async () => {
      await list("address", "8.8.4.0/24");
      const door = authenticator();
      const wish = await door.fromHeader(header(`${account.username}-cc-de`), "8.8.4.9");
      expect(wish).toMatchObject({ credential: { id: account.username }, wish: { exit: { country: "de" } } });
      expect(await door.fromHeader(undefined, "::ffff:8.8.4.9")).toMatchObject({
        credential: { id: account.username },
      });
      expect(await codeOf(() => door.fromHeader(undefined, "8.8.5.9"))).toBe("authentication_required");
      expect(await codeOf(() => door.fromHeader(header(account.username, account.password), "8.8.5.9"))).toBe(
        "wrong_credentials",
      );
      expect(await codeOf(() => door.fromHeader(undefined, "127.0.0.1"))).toBe("authentication_required");
    });

    test("with password and address, both are needed", async () => {
      await list("password_and_address", "8.8.6.0/24");
      const door = authenticator();
      const right = header(account.username, account.password);
      expect(await codeOf(() => door.fromHeader(right, "8.8.6.1"))).toBe("fine");
      expect(await codeOf(() => door.fromHeader(right, "8.8.7.1"))).toBe("wrong_credentials");
      expect(await codeOf(() => door.fromHeader(header(account.username, "x"), "8.8.6.1"))).toBe(
        "wrong_credentials",
      );
      expect(await codeOf(() => door.fromHeader(undefined, "8.8.6.1"))).toBe("authentication_required");
    });

    test("an address that two credentials list says nobody's name", async () => {
      await list("address", "8.8.8.0/24");
      account = await createAccount(database.db);
      await list("address", "8.8.8.8");
      const door = authenticator();
      expect(await codeOf(() => door.fromHeader(undefined, "8.8.8.8"))).toBe("authentication_required");
      expect(await codeOf(() => door.fromHeader(header(account.username), "8.8.8.8"))).toBe("fine");
    });

    test("connections from an address that is no longer listed end", async () => {
      const socket = await tunnel();
      await list("password_and_address", "8.8.9.9");
      await expect.poll(() => socket.closed, AT_ONCE).toBe(true);
      await expect.poll(outcomes).toEqual(["address_not_allowed"]);
    });
  });
});
