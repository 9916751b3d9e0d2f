import { createServer, type Server } from "node:net";
import { carrierEngine, createAllowance } from "@atlantic/native";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { GatewayCredential } from "../credential.ts";
import { type FlowLimits, noFlowLimits } from "../flow-limits.ts";
import { allAreDecidedAbout, direct, exitBy, LATE, proxyAt, standStill } from "../testing/begun-clients.ts";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { listen, portOf } from "../testing/listen.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";
import type { ChosenExit } from "../upstreams/upstream.ts";

const EVERYWHERE = "0.0.0.0";
const GREETING = Buffer.from([5, 1, 2]);
const LOGIN = Buffer.from([1, 4, ...Buffer.from("user"), 8, ...Buffer.from("password")]);
const LOGGED_IN = Buffer.from([5, 2, 1, 0]);
const REPLY_END = LOGGED_IN.length + 10;

/** What is decided about clients of SOCKS5 that the engine has begun to carry by then. */
describe.runIf(carrierEngine() !== null)("a client of SOCKS5 that is carried undecided", () => {
  let fixture: GatewayFixture;
  /** Says from which port it was reached, and then what it hears. */
  let origin: Server;
  /** Accepts, and says nothing. */
  let silent: Server;
  let request: Buffer;

  let exit: ChosenExit;
  let limits: () => FlowLimits;
  let credential: GatewayCredential;
  let verify: () => GatewayCredential | undefined | Promise<GatewayCredential | undefined>;

  beforeAll(async () => {
    origin = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      socket.write(`by ${socket.remotePort}.`);
      socket.pipe(socket);
    });
    silent = createServer((socket) => void socket.on("error", () => {}).resume());
    const port = await listen(origin, 0, EVERYWHERE);
    await listen(silent, 0, EVERYWHERE);
    request = Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]);
    fixture = await startGatewayFixture({
      credentials: { verify: () => verify(), forget: () => {} },
      upstreams: [{ name: "any", places: [], choose: () => exit }],
      flowLimits: { admit: () => limits(), checkTarget: () => {} },
    });
    const { id } = await fixture.database.db
      .selectFrom("proxy_credentials")
      .select("id")
      .executeTakeFirstOrThrow();
    credential = { id, userId: fixture.account.userId };
  });
  afterAll(async () => {
    await fixture.close();
    for (const server of [origin, silent]) server.close();
  });
  beforeEach(async () => {
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
    // The exit of the test before is not this one's.
    fixture.gateway.decideAnew();
    exit = exitBy("first", direct);
    limits = () => noFlowLimits;
    verify = () => credential;
  });

  /** A client that has been told that its login is right. */
  async function loggedIn(): Promise<RawClient> {
    const client = await rawClient(fixture.gateway.port);
    client.send(GREETING);
    await client.until((heard) => heard.length >= 2);
    client.send(LOGIN);
    await client.until((heard) => heard.equals(LOGGED_IN));
    return client;
  }

  function ask(client: RawClient, early = ""): void {
    client.send(Buffer.concat([request, Buffer.from(early)]));
  }

  /** One after the other, until the next is carried in advance. */
  async function makeStand(): Promise<void> {
    for (let count = 0; count < 4; count += 1) {
      const client = await loggedIn();
      ask(client);
      await toldItsPort(client);
      client.socket.end();
      await client.ended();
    }
    await allAreDecidedAbout(fixture.gateway.port);
  }

  it("goes by another exit that is chosen, and is told its address, when its own has not answered", async () => {
    exit = exitBy("first", (to) => proxyAt(portOf(silent), to));
    const waiting: RawClient[] = [];
    for (let count = 0; count < 4; count += 1) {
      const client = await loggedIn();
      ask(client);
      waiting.push(client);
      await expect.poll(() => fixture.gateway.countOpen()).toBe(waiting.length);
    }
    const client = await loggedIn();
    exit = exitBy("second", direct);
    ask(client);
    await toldItsPort(client);
    client.socket.end();
    for (const { socket } of waiting) socket.resetAndDestroy();
  });

  it.each<[string, () => Promise<undefined> | undefined]>([
    ["at once", () => undefined],
    ["a moment later", async () => undefined],
    ["by an error", () => Promise.reject(new Error("The database does not answer."))],
  ])("is cut, and leaves what it took, when its login is found wrong %s", async (_how, wrong) => {
    const allowance = createAllowance(0, { onLow: () => {}, onDry: () => {} });
    allowance.add(1_000_000);
    limits = () => ({ ...noFlowLimits, allowance });
    const attempt = async () => {
      verify = () => credential;
      await makeStand();
      const before = allowance.remaining;
      const client = await loggedIn();
      verify = wrong;
      ask(client, "x".repeat(10_000));
      standStill();
      const taken = before - allowance.remaining;
      await client.ended();
      await expect.poll(() => allowance.remaining).toBe(before);
      const heard = client.received();
      // Not a word after the reply but the origin's.
      expect(heard.subarray(REPLY_END).toString()).toMatch(/^(by \d+\.x*)?$/);
      const next = await rawClient(fixture.gateway.port);
      next.send(GREETING);
      await next.until((bytes) => bytes.length >= 2);
      next.send(LOGIN);
      expect(Buffer.from(await next.ended(), "latin1")).toEqual(Buffer.from([5, 2, 1, 1]));
      return taken;
    };
    await expect.poll(attempt, LATE).toBeGreaterThan(0);
  });

  it("is cut when the decision does not come", async () => {
    const attempt = async () => {
      verify = () => credential;
      await makeStand();
      const client = await loggedIn();
      verify = () => new Promise(() => {});
      ask(client);
      standStill();
      const reset = setTimeout(() => client.socket.resetAndDestroy(), 9_000);
      await client.ended();
      clearTimeout(reset);
      return client.socket.errored?.message;
    };
    await expect.poll(attempt, LATE).toMatch("ECONNRESET");
  });
});

/** What it heard first is that it was granted, and by which port the origin was reached. */
async function toldItsPort(client: RawClient): Promise<void> {
  const heard = await client.until((bytes) => bytes.subarray(REPLY_END).includes("."));
  expect(heard[LOGGED_IN.length + 1]).toBe(0);
  expect(heard.subarray(REPLY_END).toString()).toMatch(`by ${heard.readUInt16BE(REPLY_END - 2)}.`);
}
