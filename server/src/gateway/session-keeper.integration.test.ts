import { dialPlan } from "@atlantic/native";
import { proxyErrorOf } from "@atlantic/shared/errors.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Flow } from "./flow.ts";
import { SessionKeeper } from "./session-keeper.ts";
import { StickySession } from "./sticky-session.ts";
import { type CountingOrigin, startCountingOrigin } from "./testing/counting-origin.ts";
import type { ChosenExit } from "./upstreams/upstream.ts";

const MINUTE = 60_000;
let origin: CountingOrigin;
beforeAll(async () => {
  origin = await startCountingOrigin();
});
afterAll(() => origin.close());

function newFlow(credentialId = "a"): Flow {
  const nobody = { exitCountry: null, exitCity: null, exitLabel: null, exitAddress: null, upstream: null };
  return new Flow(
    {
      id: "0",
      userId: "u",
      credentialId,
      client: "127.0.0.1",
      protocol: "http",
      targetHost: "site.example",
      targetPort: 80,
      openedAt: 0,
      ...nobody,
    },
    () => {},
  );
}

function newSession(name: string): StickySession {
  const beginning = { number: 0, expiresAt: 10 * MINUTE, lost: false, upstream: "one" };
  return new StickySession({ name, key: name, lifetimeMinutes: 10, mode: "flex", ...beginning });
}

function setUp(port = origin.port) {
  let now = 0;
  const asked: Flow[] = [];
  const exit: ChosenExit = {
    upstream: "one",
    country: null,
    city: null,
    label: null,
    address: null,
    key: "",
    keepAliveMs: 45_000,
    plan: ({ addresses, addressPort }) => ({ addresses, port: addressPort }),
    explain: proxyErrorOf,
  };
  const keeper = new SessionKeeper({
    target: { host: "site.example", port: 80 },
    check: (host, asksFor) => ({ host, port: asksFor, addresses: ["127.0.0.1"], addressPort: port }),
    dial: dialPlan,
    openFlow: () => {
      const flow = newFlow();
      asked.push(flow);
      return flow;
    },
    clock: () => now,
  });
  return {
    keeper,
    exit,
    asked,
    at: (ms: number) => {
      now = ms;
      keeper.sweep();
    },
  };
}

test("a session that nobody uses is used in time, uncharged and counted to the byte, until it ends", async () => {
  const { keeper, exit, asked, at } = setUp();
  const before = origin.counted();
  keeper.used(newSession("x"), exit, newFlow());
  at(44_999);
  expect(asked).toHaveLength(0);
  at(45_000);
  await expect.poll(() => asked[0]?.end?.outcome).toBe("kept_alive");
  const after = origin.counted();
  expect(asked[0]?.totals()).toMatchObject({
    sentBytes: 0,
    receivedBytes: 0,
    unchargedSentBytes: Number(after.arrived - before.arrived),
    unchargedReceivedBytes: Number(after.sent - before.sent),
  });
  at(89_999);
  expect(asked).toHaveLength(1);
  at(90_000);
  await expect.poll(() => asked[1]?.end?.outcome).toBe("kept_alive");
  at(10 * MINUTE);
  expect([asked.length, keeper.size]).toEqual([2, 0]);
});

test("a session whose flow moves needs nothing", () => {
  const { keeper, exit, asked, at } = setUp();
  const flow = newFlow();
  keeper.used(newSession("x"), exit, flow);
  for (let second = 10; second <= 300; second += 10) {
    flow.receivedBytes += 1;
    at(second * 1_000);
  }
  expect(asked).toHaveLength(0);
});

test("what fails three times in a row, has moved or is lost is given up, and nobody has more than a hundred", async () => {
  const { keeper, exit, asked, at } = setUp(1);
  keeper.used(newSession("x"), exit, newFlow());
  for (let times = 1; times <= 3; times++) {
    at(times * 45_000);
    await expect.poll(() => asked[times - 1]?.end?.failed).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
  }
  at(3 * 45_000);
  expect([asked.length, keeper.size]).toEqual([3, 0]);

  const moved = newSession("moved");
  keeper.used(moved, exit, newFlow());
  moved.over = true;
  at(150_000);
  expect(keeper.size).toBe(0);

  for (let index = 0; index < 150; index++) keeper.used(newSession(`n${index}`), exit, newFlow("greedy"));
  expect(keeper.size).toBe(100);
  keeper.used(newSession("another"), exit, newFlow("modest"));
  expect(keeper.size).toBe(101);
});
