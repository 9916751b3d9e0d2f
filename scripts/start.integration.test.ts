import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repository } from "./settings.ts";
import { settledBytes } from "./testing/settled-bytes.ts";
import { freePorts, runStart, type Started, startProduct } from "./testing/start-product.ts";

const run = promisify(execFile);

describe("npm start", () => {
  let data: string;
  let started: Started;
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "atlantic-start-"));
    started = await startProduct(data);
  });
  afterAll(async () => {
    await started.interrupt();
    await rm(data, { recursive: true, force: true });
  });

  test("every part is healthy when it says that it is ready", async () => {
    const response = await fetch(`${started.webUrl}/health`);
    expect(response.status).toBe(200);
  });

  test("the printed curl line shows the address of the exit that it names", async () => {
    const [line] = /curl -x '.*/.exec(started.output()) ?? [];
    const { stdout } = await run("sh", ["-c", `${line}address`]);
    expect(JSON.parse(stdout)).toMatchObject({
      country: "de",
      address: expect.stringMatching(/^127\.1\.2\./),
    });
  });

  test("the atlantic command finds the companion of this data directory", async () => {
    const { stdout } = await run(
      "node",
      [join(repository, "scripts/bootstrap.mjs"), "atlantic", "status", "--json"],
      {
        env: { ...process.env, ATLANTIC_DATA: data },
      },
    );
    expect(JSON.parse(stdout)).toMatchObject({ upstream: { kind: "gateway", reachable: true } });
  });

  test("a second instance on the same data is refused in one sentence", async () => {
    const [web, gateway, proxy] = await freePorts(3);
    const second = runStart([
      "--data",
      data,
      `--web-port=${web}`,
      `--gateway-port=${gateway}`,
      `--proxy-port=${proxy}`,
    ]);
    const [code] = await once(second.child, "exit");
    expect(code).toBe(1);
    expect(second.output()).toMatch(/already|another/i);
    expect(second.output()).not.toMatch(/\bat .*:\d+:\d+/);
  });

  test.each(["web", "gateway", "proxy"])(
    "a %s port in use is said in one sentence that names it",
    async (which) => {
      const holder = createServer().listen(0, "127.0.0.1");
      await once(holder, "listening");
      const address = holder.address();
      const taken = address !== null && typeof address === "object" ? address.port : 0;
      const other = await mkdtemp(join(tmpdir(), "atlantic-start-"));
      const free = await freePorts(2);
      const ports = ["web", "gateway", "proxy"].map((name) =>
        name === which ? `--${name}-port=${taken}` : `--${name}-port=${free.pop()}`,
      );
      const failing = runStart(["--data", other, ...ports]);
      const [code] = await once(failing.child, "exit");
      holder.close();
      await rm(other, { recursive: true, force: true });
      expect(code).toBe(1);
      expect(failing.output()).toContain(String(taken));
      expect(failing.output()).not.toMatch(/\bat .*:\d+:\d+/);
    },
  );
});

test("a data directory that cannot be made is one sentence", async () => {
  const { child, output } = runStart(["--data", join(import.meta.filename, "data")]);
  const [code] = await once(child, "close");
  expect(code).toBe(1);
  expect(output().trim()).toMatch(
    /^The data directory .* cannot be made .*Choose another by --data or ATLANTIC_DATA\.$/,
  );
});

test("Ctrl-C ends everything and the next start still knows the credential and its bytes", async () => {
  const data = await mkdtemp(join(tmpdir(), "atlantic-start-"));
  const first = await startProduct(data);
  const { username, password } = first.credential;
  await run("curl", ["-sS", "-x", `http://${username}-cc-us:${password}@${first.gateway}`, first.echoUrl]);
  const before = await settledBytes(first);
  expect(await first.interrupt()).toBe(0);
  await expect(fetch(first.webUrl)).rejects.toThrow();

  const second = await startProduct(data);
  expect(second.credential).toEqual(first.credential);
  expect(await settledBytes(second)).toBe(before);
  expect(await second.interrupt()).toBe(0);
  await rm(data, { recursive: true, force: true });
});
