import { createServer, type Server } from "node:net";
import { carrierEngine, createAllowance, type DialPlan } from "@atlantic/native";
import { ProxyError } from "@atlantic/shared/errors.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { GatewayCredential } from "../credential.ts";
import { type FlowLimits, noFlowLimits } from "../flow-limits.ts";
import type { CheckedTarget } from "../target-guard.ts";
import { allAreDecidedAbout, direct, exitBy, LATE, proxyAt, standStill } from "../testing/begun-clients.ts";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { listen, portOf } from "../testing/listen.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";
import type { ChosenExit } from "../upstreams/upstream.ts";

const here = "127.0.0.1";
const EVERYWHERE = "0.0.0.0";
const secret = { serverName: "proxy.test" };
const head = (target: string) =>
  `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${btoa("user:password")}\r\n\r\n`;

/** What is decided about clients that the engine has begun to carry by then. */
describe.runIf(carrierEngine() !== null)("a client that is carried before it is decided about", () => {
  let fixture: GatewayFixture;
  /** Says its own address, and then what it hears. */
  let origin: Server;
  /** Accepts, and says nothing. */
  let silent: Server;
  let port = 0;

  let exit: ChosenExit;
  let addresses: readonly string[];
  let limits: () => FlowLimits;
  let credential: GatewayCredential;
  let verify: () => GatewayCredential | Promise<GatewayCredential>;

  beforeAll(async () => {
    origin = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      socket.write(`I am ${socket.localAddress}.`);
      socket.pipe(socket);
    });
    silent = createServer((socket) => void socket.on("error", () => {}).resume());
    port = await listen(origin, 0, EVERYWHERE);
    fixture = await startGatewayFixture({
      credentials: { verify: () => verify(), forget: () => {} },
      upstreams: [{ name: "any", places: [], choose: () => exit }],
      flowLimits: { admit: () => limits(), checkTarget: () => {} },
      targets: { allow: ["127.0.0.0/8"], lookup: () => addresses },
      guard: { strangersAtOnce: 6, strangersPerSecond: 1e6, connections: 6 },
    });
    await listen(silent, 0, EVERYWHERE);
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
    addresses = [here];
    limits = () => noFlowLimits;
    verify = () => credential;
  });

  async function say(text: string): Promise<RawClient> {
    const client = await rawClient(fixture.gateway.port);
    client.send(text);
    return client;
  }

  const target = () => `${here}:${port}`;

  /** One after the other, until the next is carried in advance. */
  async function makeStand(target: string): Promise<void> {
    for (let count = 0; count < 3; count += 1) await end(await say(head(target)));
    await allAreDecidedAbout(fixture.gateway.port);
  }

  async function end(client: RawClient): Promise<string> {
    await client.until((bytes) => bytes.includes("I am"));
    client.socket.end();
    return client.ended();
  }

  /** The outcome and the upstream of the one that came last. */
  async function lastRow() {
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
    await fixture.usage.flush();
    return fixture.database.db
      .selectFrom("proxy_connections")
      .select(["outcome", "upstream"])
      .orderBy("id", "desc")
      .executeTakeFirst();
  }

  it("reaches its target's new address soon after its name has one, however many come", async () => {
    const target = `site.test:${port}`;
    await makeStand(target);
    addresses = ["127.0.0.2"];
    await expect.poll(async () => end(await say(head(target))), LATE).toMatch("I am 127.0.0.2");
  });

  it.each([
    ["spoken TLS to", (target: CheckedTarget) => proxyAt(1, target, secret)],
    ["looked up without an end", () => new Promise<DialPlan>(() => {})],
    ["dialled at once", direct],
  ])("does not stay with its exit when another is chosen, which is %s", async (_how, plan) => {
    const first = exit;
    const second = exitBy("second", plan);
    const attempt = async () => {
      exit = first;
      await makeStand(target());
      exit = second;
      const client = await say(head(target()));
      standStill();
      const reset = setTimeout(() => client.socket.resetAndDestroy(), 2_000);
      await client.ended();
      clearTimeout(reset);
      return lastRow();
    };
    await expect.poll(attempt, LATE).toEqual({ outcome: "decided_otherwise", upstream: "first" });
  });

  it.each([
    ["goes by another that is chosen", direct, /^HTTP\/1\.1 200 /],
    [
      "is told so when another has to be looked up",
      () => new Promise<DialPlan>(() => {}),
      /^HTTP\/1\.1 50[24] /,
    ],
    ["is told so when another cannot be reached", (to: CheckedTarget) => proxyAt(1, to), /^HTTP\/1\.1 502 /],
    ["is told so when another speaks TLS", (to: CheckedTarget) => proxyAt(1, to, secret), /^HTTP\/1\.1 502 /],
  ])("%s, when its exit has not answered by then", async (_what, plan, answer) => {
    exit = exitBy("first", (to) => proxyAt(portOf(silent), to));
    const waiting = [];
    for (let count = 0; count < 3; count += 1) {
      waiting.push(await say(head(target())));
      await expect.poll(() => fixture.gateway.countOpen()).toBe(waiting.length);
    }
    exit = exitBy("second", plan);
    const client = await say(head(target()));
    const heard = await client.until((bytes) => bytes.includes("\r\n\r\n"));
    expect(heard.toString("latin1")).toMatch(answer);
    client.socket.end();
    for (const { socket } of waiting) socket.resetAndDestroy();
    expect(await lastRow()).toMatchObject({ outcome: expect.any(String) });
  });

  it("is cut when the decision does not come", async () => {
    const attempt = async () => {
      verify = () => credential;
      await makeStand(target());
      verify = () => new Promise(() => {});
      const client = await say(head(target()));
      await expect.poll(() => client.text()).toMatch(/^HTTP\/1\.1 200 /);
      const reset = setTimeout(() => client.socket.resetAndDestroy(), 9_000);
      await client.ended();
      clearTimeout(reset);
      return client.socket.errored?.message;
    };
    await expect.poll(attempt, LATE).toMatch("ECONNRESET");
  });

  it("leaves to others what it took from the allowance, when it may not be carried", async () => {
    const allowance = createAllowance(0, { onLow: () => {}, onDry: () => {} });
    allowance.add(1_000_000);
    const attempt = async () => {
      limits = () => ({ ...noFlowLimits, allowance });
      await makeStand(target());
      await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
      const before = allowance.remaining;
      limits = () => {
        throw new ProxyError("target_not_allowed");
      };
      const client = await say(`${head(target())}${"x".repeat(10_000)}`);
      standStill();
      const taken = before - allowance.remaining;
      await client.ended();
      await expect.poll(() => allowance.remaining).toBe(before);
      return taken;
    };
    await expect.poll(attempt, LATE).toBeGreaterThan(0);
  });

  it("takes the decision with it when its address has too many connections, and leaves what it took", async () => {
    const allowance = createAllowance(0, { onLow: () => {}, onDry: () => {} });
    allowance.add(1_000_000);
    limits = () => ({ ...noFlowLimits, allowance });
    const attempt = async () => {
      const open: RawClient[] = [];
      for (let count = 0; count < 6; count += 1) {
        const client = await say(head(target()));
        await client.until((bytes) => bytes.includes("I am"));
        open.push(client);
      }
      const before = allowance.remaining;
      const first = await say(`${head(target())}${"x".repeat(10_000)}`);
      standStill();
      const taken = before - allowance.remaining;
      await first.ended();
      await expect.poll(() => allowance.remaining).toBe(before);
      const second = await say(head(target()));
      standStill();
      expect(await second.ended()).toBe("");
      for (const { socket } of [...open, first, second]) socket.destroy();
      await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
      return taken;
    };
    await expect.poll(attempt, LATE).toBeGreaterThan(0);
  });

  it("has not greeted as a client of SOCKS", async () => {
    await makeStand(target());
    const client = await say("\x05\x01\x02");
    await client.until((bytes) => bytes.length === 2);
    client.send(head(target()));
    expect(await client.ended()).not.toContain("200");
    client.socket.destroy();
  });

  it("is cut when the gateway was closed by then", async () => {
    await makeStand(target());
    const client = await say(head(target()));
    standStill();
    await fixture.gateway.close();
    await client.ended();
    expect(fixture.gateway.countOpen()).toBe(0);
  });
});
