import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlClient } from "@atlantic/companion/src/control/control-client.ts";
import { companionPaths } from "@atlantic/companion/src/data-paths.ts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { repository } from "./settings.ts";
import { type Started, startProduct } from "./testing/start-product.ts";

let data: string;
let product: Started;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "atlantic-browser-"));
  product = await startProduct(data);
});
afterAll(async () => {
  await product?.interrupt();
  await rm(data, { recursive: true, force: true });
});

function runBrowser(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const script = join(repository, "scripts/browser.ts");
  const child = spawn(process.execPath, [script, "--data", data, ...argv], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return { child, output: () => output };
}

test("npm run browser opens a paired browser on the echo site, and the terminal chooses its exit", async () => {
  const { child, output } = runBrowser(["chromium", "--headless"]);
  const client = await ControlClient.open(companionPaths(data).controlSocket, "test", "0.1.0");
  await vi.waitFor(
    async () => expect((await client.request("status.get", {})).browsers, output()).toHaveLength(1),
    { timeout: 60_000, interval: 200 },
  );
  await client.request("route.set", {
    scope: { kind: "everything" },
    route: { kind: "exit", exit: { country: "jp" } },
  });
  await vi.waitFor(
    async () =>
      expect(await client.request("route.list", {})).toEqual([
        expect.objectContaining({ site: "atlantic.test", route: { kind: "exit", exit: { country: "jp" } } }),
      ]),
    { timeout: 60_000, interval: 200 },
  );
  client.close();
  child.kill("SIGTERM");
  await once(child, "exit");
});

test("a browser that is not there is one sentence", async () => {
  const { child, output } = runBrowser(["chrome"], { PATH: "/nowhere" });
  const [code] = await once(child, "exit");
  expect(code).toBe(1);
  expect(output()).toMatch(/^No chrome was found on this computer\. .*\n$/);
});

test("without a display it says so, and how to do without one", async () => {
  const { child, output } = runBrowser(["chromium"], { DISPLAY: "", WAYLAND_DISPLAY: "" });
  const [code] = await once(child, "close");
  expect(output()).toContain("There is no display here");
  expect(code).toBe(1);
});
