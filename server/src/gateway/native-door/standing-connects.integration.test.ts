import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { carrierEngine } from "@atlantic/native";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { OpenDatabase } from "../../db/open.ts";
import { openTemporaryDatabase } from "../../db/testing/temporary-database.ts";
import { createAccount, type TestAccount } from "../testing/gateway-fixture.ts";
import { type LimitedGateway, startLimitedGateway } from "../testing/limited-gateway.ts";
import { listen } from "../testing/listen.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";

describe.runIf(carrierEngine() !== null)("CONNECT requests that are alike", () => {
  let database: OpenDatabase;
  let account: TestAccount;
  let started: LimitedGateway;
  let origin: Server;
  let target = "";

  beforeAll(async () => {
    database = await openTemporaryDatabase("pglite");
  });
  afterAll(() => database?.close());
  beforeEach(async () => {
    account = await createAccount(database.db);
    started = await startLimitedGateway(database, { limits: { connectionsPerCredential: 400 } });
    origin = createServer({ allowHalfOpen: true }, answerLength);
    target = `127.0.0.1:${await listen(origin)}`;
  });
  afterEach(async () => {
    origin.close();
    await started.close();
  });

  const head = (parts = "-cc-us-sid-alike", { username, password } = account) =>
    [
      `CONNECT ${target} HTTP/1.1`,
      `Host: ${target}`,
      `Proxy-Authorization: Basic ${Buffer.from(`${username}${parts}:${password}`).toString("base64")}`,
      "\r\n",
    ].join("\r\n");

  /** One after the other, until the next may be carried in advance. */
  async function makeStand(text = head()): Promise<void> {
    for (let count = 0; count < 3; count += 1) await (await granted(text)).close();
  }

  async function granted(text: string, early = "") {
    const client = await rawClient(started.gateway.port);
    client.send(text + early);
    const answer = String(await client.until(hasHead));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    return { client, answer, id: idIn(answer), close: () => closed(client) };
  }

  async function rows() {
    await expect.poll(() => started.gateway.countOpen()).toBe(0);
    await started.usage.flush();
    return database.db
      .selectFrom("proxy_connections")
      .select(["id", "sent_bytes", "received_bytes", "outcome", "exit_address"])
      .where("user_id", "=", account.userId)
      .execute();
  }

  it("are carried while the gateway's thread stands still, and counted afterwards", async () => {
    const client = await loneClient(started.gateway.port, head());
    await makeStand();
    client.say();
    expect(client.waitHere(), "nobody was answered while this thread stood still").toBe(true);
    const answer = await client.answer();
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*\r\nX-Atlantic-Request-Id: [0-9a-f-]{36}\r\n/);
    await client.close();
    const row = async () => (await rows()).find(({ id }) => id === idIn(answer));
    const exit_address = /X-Atlantic-Exit-Address: (\S+)/.exec(answer)?.[1];
    await expect.poll(row).toMatchObject({ exit_address, outcome: expect.any(String) });
  });

  it("are each a flow of their own, with the id that the client was told and to the byte what it moved", async () => {
    await makeStand();
    const before = (await rows()).length;
    const sizes = Array.from({ length: 150 }, (_, index) => index * 7);
    const ids = await Promise.all(
      sizes.map(async (size) => {
        const { client, id } = await granted(head(), "x".repeat(size));
        client.socket.end();
        expect(await client.ended()).toMatch(new RegExp(`heard ${size}$`));
        return id;
      }),
    );
    const byId = new Map((await rows()).map((row) => [row.id, row]));
    expect(byId.size).toBe(before + sizes.length);
    sizes.forEach((size, index) => {
      const row = byId.get(ids[index] ?? "");
      expect(row).toMatchObject({ outcome: "ended" });
      expect([Number(row?.sent_bytes), Number(row?.received_bytes)]).toEqual([size, `heard ${size}`.length]);
    });
  });

  it("go by another exit each time where no session holds one", async () => {
    const addresses = new Set<string | undefined>();
    for (let count = 0; count < 30; count += 1) {
      const { answer, close } = await granted(head("-cc-us"));
      addresses.add(/X-Atlantic-Exit-Address: (\S+)/.exec(answer)?.[1]);
      await close();
    }
    expect(addresses.size).toBeGreaterThan(10);
  });

  it("are refused as soon as their credential is revoked", async () => {
    await makeStand();
    const { id } = await database.db
      .updateTable("proxy_credentials")
      .set({ revoked_at: new Date() })
      .where("user_id", "=", account.userId)
      .returning("id")
      .executeTakeFirstOrThrow();
    started.gateway.disconnectCredential(id);
    const client = await rawClient(started.gateway.port);
    client.send(head());
    expect(await client.ended()).toMatch(/^HTTP\/1\.1 407 /);
    client.socket.end();
  });

  it("are told when the target is there no more, and reach it again when it is back", async () => {
    await makeStand();
    const port = Number(target.split(":")[1]);
    await new Promise((resolve) => origin.close(resolve));
    for (let count = 0; count < 3; count += 1) {
      const client = await rawClient(started.gateway.port);
      client.send(head());
      expect(await client.ended()).toMatch(/^HTTP\/1\.1 50[23] /);
      client.socket.end();
    }
    origin = createServer({ allowHalfOpen: true }, answerLength);
    await listen(origin, port);
    await (await granted(head())).close();
    expect((await rows()).filter(({ outcome }) => outcome === null)).toEqual([]);
  });

  it("are no more than a credential may have open", async () => {
    await started.close();
    started = await startLimitedGateway(database, { limits: { connectionsPerCredential: 20 } });
    await makeStand();
    const clients = await Promise.all(Array.from({ length: 40 }, () => rawClient(started.gateway.port)));
    for (const client of clients) client.send(head());
    const answers = await Promise.all(
      clients.map(async (client) => String(await client.until(hasHead)).slice(9, 12)),
    );
    expect(answers.filter((status) => status === "200")).toHaveLength(20);
    for (const client of clients) client.socket.destroy();
    await expect.poll(() => started.gateway.countOpen()).toBe(0);
  });
});

const hasHead = (bytes: Buffer) => bytes.includes("\r\n\r\n");
const idIn = (answer: string) => /X-Atlantic-Request-Id: (\S+)/.exec(answer)?.[1] ?? "";

/** Says how much it heard, once the client has said all. */
function answerLength(socket: Socket): void {
  let heard = 0;
  socket.on("data", (bytes) => {
    heard += bytes.length;
  });
  socket.on("end", () => socket.end(`heard ${heard}`));
  socket.on("error", () => {});
}

async function closed(client: RawClient): Promise<void> {
  client.socket.end();
  await client.ended();
}

/** A client on another thread, which has connected and says the header section when it is told to. */
async function loneClient(port: number, head: string) {
  const heard = new SharedArrayBuffer(4);
  const program = join(import.meta.dirname, "../testing/lone-client-program.ts");
  const worker = new Worker(program, { workerData: { port, head, heard } });
  await once(worker, "message");
  const answer = once(worker, "message");
  return {
    say: () => worker.postMessage("say"),
    /** Stops this thread until the client was answered. @returns whether it was */
    waitHere: () => Atomics.wait(new Int32Array(heard), 0, 0, 900) !== "timed-out",
    answer: async () => String((await answer)[0]),
    close: () => worker.terminate(),
  };
}
