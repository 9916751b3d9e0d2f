import { createServer, type Server } from "node:net";
import { carrierEngine } from "@atlantic/native";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { OpenDatabase } from "../../db/open.ts";
import { openTemporaryDatabase } from "../../db/testing/temporary-database.ts";
import { createAccount, type TestAccount } from "../testing/gateway-fixture.ts";
import { type LimitedGateway, startLimitedGateway } from "../testing/limited-gateway.ts";
import { listen } from "../testing/listen.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";

const GREETING = Buffer.from([5, 1, 2]);
const LOGGED_IN = [5, 2, 1, 0];
const REPLY_END = LOGGED_IN.length + 10;
const GRANTED = 0;
const REFUSED = { authentication: 1, unreachable: 5 };

describe.runIf(carrierEngine() !== null)("SOCKS5 requests that are alike", () => {
  let database: OpenDatabase;
  let account: TestAccount;
  let started: LimitedGateway;
  /** Says by which port it was reached from, and how much it heard. */
  let origin: Server;
  let port = 0;

  beforeAll(async () => {
    database = await openTemporaryDatabase("pglite");
  });
  afterAll(() => database?.close());
  beforeEach(async () => {
    account = await createAccount(database.db);
    started = await startLimitedGateway(database, { limits: { connectionsPerCredential: 400 } });
    origin = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = 0;
      socket.on("data", (bytes) => {
        heard += bytes.length;
      });
      socket.on("end", () => socket.end(`port ${socket.remotePort} heard ${heard}`));
      socket.on("error", () => {});
    });
    port = await listen(origin);
  });
  afterEach(async () => {
    origin.close();
    await started.close();
  });

  function login({ username, password } = account): Buffer {
    const [user, secret] = [Buffer.from(`${username}-cc-us-sid-alike`), Buffer.from(password)];
    return Buffer.from([1, user.length, ...user, secret.length, ...secret]);
  }
  const request = (to = port) => Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, to >> 8, to & 0xff]);

  /** A client that has been told that its login is right. */
  async function loggedIn(words = login()): Promise<RawClient> {
    const client = await rawClient(started.gateway.port);
    client.send(GREETING);
    await client.until((heard) => heard.length >= 2);
    client.send(words);
    await client.until((heard) => heard.length >= LOGGED_IN.length);
    return client;
  }

  /** Asks, and says so much behind it. @returns what it was told */
  async function ask(client: RawClient, early = 0, to = port) {
    client.send(Buffer.concat([request(to), Buffer.alloc(early, "x")]));
    const heard = await client.until((bytes) => bytes.length >= REPLY_END);
    return { code: heard[LOGGED_IN.length + 1], boundPort: heard.readUInt16BE(REPLY_END - 2) };
  }

  async function end(client: RawClient): Promise<string> {
    client.socket.end();
    return Buffer.from(await client.ended(), "latin1")
      .subarray(REPLY_END)
      .toString();
  }

  /** One after the other, until the next is carried in advance. */
  async function makeStand(): Promise<void> {
    for (let count = 0; count < 4; count += 1) {
      const client = await loggedIn();
      expect((await ask(client)).code).toBe(GRANTED);
      await end(client);
    }
  }

  async function rows() {
    await expect.poll(() => started.gateway.countOpen()).toBe(0);
    await started.usage.flush();
    return database.db
      .selectFrom("proxy_connections")
      .select(["protocol", "sent_bytes", "received_bytes", "outcome"])
      .where("user_id", "=", account.userId)
      .execute();
  }

  it("are carried while the gateway's thread stands still", async () => {
    await makeStand();
    let reached = 0;
    origin.on("connection", () => {
      reached += 1;
    });
    const client = await loggedIn();
    client.send(request());
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    // The first ends this turn. In the next the origin, which is of this thread, hears of who has reached it by now;
    // somebody about whom it is decided in that turn reaches it later.
    for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(reached).toBe(1);
    await end(client);
  });

  it("are each a flow of their own, told its own address and counted to the byte", async () => {
    await makeStand();
    const before = (await rows()).length;
    const sizes = Array.from({ length: 60 }, (_, index) => index * 11);
    await Promise.all(
      sizes.map(async (size) => {
        const client = await loggedIn();
        const { code, boundPort } = await ask(client, size);
        expect(code).toBe(GRANTED);
        expect(await end(client)).toBe(`port ${boundPort} heard ${size}`);
      }),
    );
    const all = await rows();
    expect(all.length).toBe(before + sizes.length);
    expect(all.every(({ protocol, outcome }) => protocol === "socks5" && outcome === "ended")).toBe(true);
    const sent = all.reduce((sum, row) => sum + Number(row.sent_bytes), 0);
    expect(sent).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });

  it("are refused as soon as their credential is revoked, also behind a login that was right", async () => {
    await makeStand();
    const early = await loggedIn();
    const { id } = await database.db
      .updateTable("proxy_credentials")
      .set({ revoked_at: new Date() })
      .where("user_id", "=", account.userId)
      .returning("id")
      .executeTakeFirstOrThrow();
    started.gateway.disconnectCredential(id);
    expect((await ask(early)).code).toBe(REFUSED.authentication);
    await end(early);
    const late = await rawClient(started.gateway.port);
    late.send(GREETING);
    await late.until((heard) => heard.length >= 2);
    late.send(login());
    expect([...Buffer.from(await late.ended(), "latin1")]).toEqual([5, 2, 1, 1]);
    late.socket.end();
  });

  it("carry nobody who asks for something else, or asks in pieces", async () => {
    await makeStand();
    const other = createServer((socket) => void socket.on("error", () => {}).end("the other"));
    const otherPort = await listen(other);
    const elsewhere = await loggedIn();
    expect((await ask(elsewhere, 0, otherPort)).code).toBe(GRANTED);
    expect(await end(elsewhere)).toBe("the other");
    other.close();
    const inPieces = await loggedIn();
    inPieces.send(request().subarray(0, 6));
    await new Promise((resolve) => setImmediate(resolve));
    inPieces.send(request().subarray(6));
    const heard = await inPieces.until((bytes) => bytes.length >= REPLY_END);
    expect(heard[LOGGED_IN.length + 1]).toBe(GRANTED);
    await end(inPieces);
  });

  it("are told when the target is there no more", async () => {
    await makeStand();
    await new Promise((resolve) => origin.close(resolve));
    for (let count = 0; count < 3; count += 1) {
      const client = await loggedIn();
      expect((await ask(client)).code).toBe(REFUSED.unreachable);
      await end(client);
    }
    expect((await rows()).filter(({ outcome }) => outcome === null)).toEqual([]);
  });
});
