import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { databaseKinds } from "../db/testing/temporary-database.ts";
import { type CountingOrigin, startCountingOrigin } from "./testing/counting-origin.ts";
import { type GatewayFixture, startGatewayFixture } from "./testing/gateway-fixture.ts";

const run = promisify(execFile);
const python = `
import sys, urllib.request
proxy, url = sys.argv[1:]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
for number in range(5):
    opener.open(url + "/" + str(number)).read()
    opener.open(urllib.request.Request(url, data=b"x" * 100000, method="POST")).read()
`;

describe.each(databaseKinds)("bytes in the account, on %s", (kind) => {
  let fixture: GatewayFixture;
  let origin: CountingOrigin;
  let directory: string;

  beforeAll(async () => {
    fixture = await startGatewayFixture({ kind });
    origin = await startCountingOrigin();
    directory = await mkdtemp(join(tmpdir(), "atlantic-bytes-"));
    await writeFile(join(directory, "body"), randomBytes(3_000_000));
  });
  afterAll(async () => {
    await fixture.close();
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  });

  const curl = (...args: string[]) =>
    run("curl", ["-sS", "--fail", "-o", join(directory, "answer"), ...args]);

  test("equal those that the exits' sockets carried, exactly, for every client and protocol", async () => {
    const { url } = origin;
    const http = fixture.proxyUrl("-cc-de-sid-a");
    const socks = fixture.proxyUrl("-cc-jp-sid-a").replace("http:", "socks5h:");
    const body = `@${join(directory, "body")}`;
    await Promise.all([
      curl("-x", http, `${url}/one`, `${url}/two`, `${url}/three`),
      curl("-x", http, "--data-binary", body, url),
      curl("-x", http, "-H", "Transfer-Encoding: chunked", "--data-binary", body, url),
      curl("-x", http, "-p", `${url}/one`, `${url}/two`),
      curl("-x", fixture.proxyUrl("-cc-us"), "-p", "--data-binary", body, url),
      curl("-x", socks, `${url}/one`, `${url}/two`),
      curl("-x", socks, "--data-binary", body, url),
      run("python3", ["-c", python, http, url]),
    ]);
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
    await fixture.usage.flush();
    const { db } = fixture.database;
    const rows = await db.selectFrom("proxy_connections").selectAll().execute();
    const hours = await db.selectFrom("proxy_usage").selectAll().execute();
    const balance = await db.selectFrom("traffic_balances").selectAll().executeTakeFirstOrThrow();
    const { arrived, sent } = origin.counted();
    expect(arrived).toBeGreaterThan(12_000_000n);
    expect(rows.reduce((sum, row) => sum + row.sent_bytes, 0n)).toBe(arrived);
    expect(rows.reduce((sum, row) => sum + row.received_bytes, 0n)).toBe(sent);
    expect(hours.reduce((sum, row) => sum + row.sent_bytes, 0n)).toBe(arrived);
    expect(hours.reduce((sum, row) => sum + row.received_bytes, 0n)).toBe(sent);
    expect(balance.used_bytes).toBe(arrived + sent);
    const requests = (protocol: string) =>
      hours.filter((row) => row.protocol === protocol).reduce((sum, row) => sum + row.requests, 0n);
    expect([requests("http"), requests("connect"), requests("socks5")]).toEqual([15n, 2n, 2n]);
    expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(["ended"]));
  });
});
