import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DIRECT, routeId } from "@atlantic/shared/routing/route.ts";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Names } from "../dns/names.ts";
import { listOf } from "../dns/testing/list-of.ts";
import { SessionBook } from "../sessions/session-book.ts";
import { programDoors } from "../system-proxy/program-doors.ts";
import { startByteSite } from "../testing/echo-site.ts";
import { ProxyConnection } from "../testing/proxy-connection.ts";
import type { ExitUpstream } from "../upstream/exit-upstream.ts";
import { RouteDialer } from "../upstream/route-dialer.ts";
import { UsageMeter } from "../upstream/usage-meter.ts";
import { LocalProxy } from "./local-proxy.ts";
import { OpenFlows } from "./open-flows.ts";

const ADS = "ads.test:443";
const PAGE = "page.test:443";

const noExits: ExitUpstream = {
  kind: "gateway",
  name: "no gateway",
  entry: { host: "127.0.0.1", port: 1 },
  open: () => Promise.reject(new Error("Every flow here is direct.")),
  forwarding: () => null,
};

let directory: string;
let site: Awaited<ReturnType<typeof startByteSite>>;
let names: Names;
let flows: OpenFlows;
let proxy: LocalProxy;
let port: number;
/** The first lists are there, or cannot be read. */
let lists: PromiseWithResolvers<void>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "atl-first-lists-"));
  site = await startByteSite();
  names = Names.open({ directory, log: pino({ level: "silent" }), filtering: false });
  lists = Promise.withResolvers();
  names.filter.beginWith(lists.promise.then(() => names.filter.load([listOf("||ads.test^")])));
  flows = new OpenFlows();
  const usage = new UsageMeter();
  const here = `127.0.0.1:${site.port}`;
  const dialer = new RouteDialer({
    upstream: noExits,
    sessions: new SessionBook({ changed: () => {} }, []),
    usage,
    hosts: { [ADS]: here, [PAGE]: here },
  });
  const owner = {
    browser: null,
    route: DIRECT,
    attribution: { kind: "steady", routeId: routeId(DIRECT) },
  } as const;
  proxy = new LocalProxy(programDoors({ flows, dialer, usage, names }, () => owner));
  port = await proxy.listen(0);
});

afterEach(async () => {
  await proxy.close();
  names.close();
  site.close();
  rmSync(directory, { recursive: true, force: true });
});

async function connectTo(authority: string): Promise<number | undefined> {
  const connection = await ProxyConnection.open(port);
  const answer = await connection.connect(authority);
  connection.socket.destroy();
  return answer?.status;
}

/** @returns the code of the reply (RFC 1928 §6) */
async function socksTo(host: string): Promise<number> {
  const connection = await ProxyConnection.open(port);
  const name = Buffer.from(host);
  connection.socket.write(Buffer.from([5, 1, 0, 5, 1, 0, 3, name.length, ...name, 443 >> 8, 443 & 255]));
  await connection.take(2);
  const reply = await connection.take(2);
  connection.socket.destroy();
  return reply.charCodeAt(1);
}

test("tunnels that are asked for while the first lists are read wait for them", async () => {
  const asked = [connectTo(ADS), connectTo(PAGE), socksTo("ads.test"), socksTo("page.test")];
  await expect.poll(() => flows.size).toBe(asked.length);
  lists.resolve();
  expect(await Promise.all(asked)).toEqual([403, 200, 2, 0]);
});

test("tunnels are opened without the lists when they cannot be read", async () => {
  const asked = [connectTo(ADS), socksTo("ads.test")];
  await expect.poll(() => flows.size).toBe(asked.length);
  lists.reject(new Error("no lists"));
  expect(await Promise.all(asked)).toEqual([200, 0]);
});

test("a tunnel whose route changes while it waits is never opened", async () => {
  const connection = await ProxyConnection.open(port);
  const answer = connection.connect(PAGE);
  await expect.poll(() => flows.size).toBe(1);
  expect(flows.closeOfPrograms()).toBe(1);
  lists.resolve();
  expect(await answer).toBeUndefined();
  await expect.poll(() => names.filter.beginning).toBeNull();
  expect(flows.size).toBe(0);
});
