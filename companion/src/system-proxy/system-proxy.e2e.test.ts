import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CompanionProcess, prepareCompanionProcess } from "../testing/companion-process.ts";
import { type EchoSite, startEchoSite } from "../testing/echo-site.ts";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { type PrivateDesktop, startPrivateDesktop } from "../testing/private-desktop.ts";

let desktop: PrivateDesktop;
let echo: EchoSite;
let exits: ExitProxy;
let companion: CompanionProcess;

beforeAll(async () => {
  desktop = await startPrivateDesktop("GNOME");
  echo = await startEchoSite();
  exits = await startExitProxy({ "plain.test:80": echo.port, "address.test:80": echo.port });
  companion = await prepareCompanionProcess(exits.port, desktop.environment);
  await companion.start();
});

afterAll(async () => {
  await companion?.close();
  exits?.close();
  echo?.close();
  await desktop?.close();
});

/** What a Chromium that nobody has told of any proxy shows of a page. */
async function chromiumShows(url: string): Promise<string> {
  const words = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    `--user-data-dir=${desktop.home}/chromium`,
  ];
  const env = { ...process.env, ...desktop.environment };
  const { stdout } = await promisify(execFile)("chromium", [...words, "--dump-dom", url], {
    env,
    timeout: 120_000,
  });
  return stdout;
}

test("a browser that follows the desktop's settings leaves by the exit, and directly after disconnect", async () => {
  expect(await chromiumShows("http://plain.test/")).not.toMatch(/127\.1\./);
  const connected = await companion.atlantic("connect", "--system-proxy", "--exit", "de");
  expect(connected).toMatchObject({ code: 0, err: "" });
  expect(await chromiumShows("http://plain.test/")).toMatch(/"address":"127\.1\.2\.\d+"/);
  expect((await companion.atlantic("disconnect", "--system-proxy")).code).toBe(0);
  const seen = echo.seen.length;
  expect(await chromiumShows("http://plain.test/")).not.toMatch(/127\.1\./);
  expect(echo.seen).toHaveLength(seen);
});
