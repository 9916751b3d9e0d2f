import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { repository } from "./settings.ts";
import { type OpenedBrowser, openBrowser } from "./testing/open-browser.ts";
import { settledBytes } from "./testing/settled-bytes.ts";
import { type Started, startProduct } from "./testing/start-product.ts";

let data: string;
let product: Started;
let browser: OpenedBrowser;
const pictures = join(repository, "test-results");

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "atlantic-main-job-"));
  await mkdir(pictures, { recursive: true });
  product = await startProduct(data);
  browser = await openBrowser(data);
});
afterAll(async () => {
  await browser?.close();
  await product?.interrupt();
  await rm(data, { recursive: true, force: true });
});

test("three tabs, three exits: each page shows its own address, and the account shows every byte", async () => {
  const [us, de, direct] = await Promise.all([0, 1, 2].map(() => browser.context.newPage()));
  if (!us || !de || !direct) throw new Error("Chromium opened no tabs.");
  await switchOn(us);
  for (const page of [us, de, direct]) await page.goto(product.echoUrl);

  await choose(us, "New York");
  await choose(de, "Berlin");
  await choose(direct, "No exit, direct");
  for (const page of [us, de, direct]) await page.reload();
  expect(await shownAddress(us)).toMatch(/^127\.1\.1\./);
  expect(await shownAddress(de)).toMatch(/^127\.1\.2\./);
  expect(await shownAddress(direct)).toBe("127.0.0.1");

  const popup = await browser.popupOver(de);
  await popup.getByText(await shownAddress(de)).waitFor();
  expect(await popup.textContent("body")).toContain("Berlin");
  await popup.screenshot({ path: join(pictures, "main-job-popup.png") });

  const account = await browser.context.newPage();
  await account.goto(product.signInUrl);
  await account.getByRole("heading", { name: "Dashboard" }).waitFor();
  await vi.waitFor(
    async () => {
      await account.reload();
      await account.getByRole("heading", { name: "Dashboard" }).waitFor();
      const expected = await settledBytes(product);
      expect(await shownBytes(account)).toBe(expected);
    },
    { timeout: 60_000 },
  );
  await account.screenshot({ path: join(pictures, "main-job-dashboard.png") });
});

async function switchOn(page: Page): Promise<void> {
  const popup = await browser.popupOver(page);
  const exits = popup.getByRole("switch").first();
  if ((await exits.getAttribute("aria-checked")) !== "true") await exits.click();
  await popup.locator('[role="switch"][aria-checked="true"]').first().waitFor();
  await popup.close();
}

async function choose(page: Page, exit: string): Promise<void> {
  const popup = await browser.popupOver(page);
  await popup.getByRole("radio", { name: "This tab" }).check();
  await popup.getByRole("option", { name: exit }).click();
  await popup.getByRole("option", { name: exit, selected: true }).waitFor();
  await popup.close();
}

async function shownAddress(page: Page): Promise<string> {
  const [address] = /127\.\d+\.\d+\.\d+/.exec((await page.textContent("body")) ?? "") ?? [];
  if (!address) throw new Error(`The echo site shows no address: ${await page.textContent("body")}`);
  return address;
}

/** The month's bytes, to the byte, as the dashboard shows them. */
async function shownBytes(page: Page): Promise<bigint> {
  return BigInt((await page.locator("data").first().getAttribute("value")) ?? -1);
}
