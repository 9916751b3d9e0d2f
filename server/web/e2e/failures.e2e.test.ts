import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accessibilityFaults } from "../../../extension/e2e/accessibility.ts";
import { startServer } from "./running-server.ts";
import { openBrowser, openPage, signUp } from "./web-browser.ts";

const pictures = join(import.meta.dirname, "../../../test-results/web");

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  await mkdir(pictures, { recursive: true });
});
afterAll(() => browser?.close());

describe("when the server is gone", () => {
  it("keeps what is shown, says that it is not live, and says what to do on a page that it cannot fill", async () => {
    const server = await startServer();
    const context = await browser.newContext();
    const { page } = await openPage(context);
    await signUp(page, server.webUrl);
    await page.getByText("No connection open").waitFor();
    await server.kill();
    await page.getByText("Not live: asking the server again").waitFor();
    expect(await page.locator("dl data").getAttribute("value")).toBe("0");
    await page.screenshot({ path: join(pictures, "server-gone-dashboard.png"), fullPage: true });
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByRole("radio", { name: "Month" }).check();
    await page.getByRole("alert").first().waitFor();
    await page.screenshot({ path: join(pictures, "server-gone-month.png"), fullPage: true });
    await context.close();
    await server.close();
  });

  it("keeps the lists that it has, offers to try again, and goes on when the server is back", async () => {
    const server = await startServer();
    const context = await browser.newContext();
    const { page } = await openPage(context);
    await signUp(page, server.webUrl);
    await page.getByText("No connection open").waitFor();
    await context.route("**/api/trpc/**", (route) => route.abort());
    await page.getByRole("link", { name: "Credentials", exact: true }).click();
    await page.getByText("The server does not answer. Check that npm start is still running").waitFor();
    await page.screenshot({ path: join(pictures, "server-gone-credentials.png"), fullPage: true });
    expect(await accessibilityFaults(page)).toEqual([]);
    await context.unroute("**/api/trpc/**");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("None yet.").waitFor();
    await context.close();
    await server.close();
  });

  it("says so when a page itself cannot be loaded", async () => {
    const server = await startServer();
    const context = await browser.newContext();
    const { page } = await openPage(context);
    await signUp(page, server.webUrl);
    await context.route("**/assets/Account-*.js", (route) => route.abort());
    await page.getByRole("link", { name: "Account" }).click();
    await page.getByRole("heading", { name: "This page could not be shown" }).waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await context.unroute("**/assets/Account-*.js");
    await page.getByRole("button", { name: "Load it again" }).click();
    await page.getByRole("heading", { name: "Account", exact: true }).waitFor();
    await context.close();
    await server.close();
  });
});
