import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accessibilityFaults } from "../../../extension/e2e/accessibility.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { openBrowser, openPage, signUp } from "./web-browser.ts";

const pictures = join(import.meta.dirname, "../../../test-results/web");
const schemes = ["light", "dark"] as const;
const widths = { narrow: 320, wide: 1280 } as const;

let server: RunningServer;
let browser: Browser;
type StorageState = Awaited<ReturnType<BrowserContext["storageState"]>>;
let signedIn: StorageState;
/** The first account, which has no password yet. */
let owner: StorageState;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), openBrowser(), mkdir(pictures, { recursive: true })]);
  const context = await browser.newContext();
  const { page } = await openPage(context);
  await signUp(page, server.webUrl);
  await page.goto(`${server.webUrl}/credentials`);
  await page.getByLabel("What it is for").fill("Price checker");
  await page.getByRole("button", { name: "Create credential" }).click();
  await page.getByTestId("issued").waitFor();
  signedIn = await context.storageState();
  await context.close();
  const other = await browser.newContext();
  const { page: first } = await openPage(other);
  await first.goto(server.signInUrl ?? "");
  await first.getByRole("link", { name: "Set a password" }).waitFor();
  owner = await other.storageState();
  await other.close();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Each page, by the name of its picture: whether it needs an account, and what shows that it has arrived. */
const pages = {
  "sign-in": { path: "/sign-in", account: false, arrived: (page: Page) => page.getByLabel("Email") },
  "sign-up": { path: "/sign-up", account: false, arrived: (page: Page) => page.getByLabel("Name") },
  "sign-in-once-used": {
    path: "/sign-in/once#used",
    account: false,
    arrived: (page: Page) => page.getByRole("alert"),
  },
  dashboard: {
    path: "/",
    account: "owner",
    arrived: (page: Page) => page.getByText("curl through the HTTP proxy"),
  },
  credentials: {
    path: "/credentials",
    account: true,
    arrived: (page: Page) => page.getByRole("cell", { name: "Price checker", exact: true }),
  },
  exits: {
    path: "/exits",
    account: true,
    arrived: (page: Page) => page.getByText(/\d+ exits/),
  },
  limits: { path: "/limits", account: true, arrived: (page: Page) => page.getByText("Megabytes per second") },
  credential: {
    path: "/credentials",
    account: true,
    arrived: async (page: Page) => {
      await page.getByRole("link", { name: "Price checker" }).click();
      return page.getByText("Megabytes per second");
    },
  },
  "user-name": {
    path: "/user-names?username=atl_nobody00-cc-de-city-berlin-sid-cart1-ttl-30",
    account: true,
    arrived: (page: Page) => page.getByText("in the city berlin"),
  },
  "user-name-wrong": {
    path: "/user-names?username=atl_nobody00-country-de",
    account: true,
    arrived: (page: Page) => page.getByText("HTTP 400"),
  },
  account: { path: "/account", account: true, arrived: (page: Page) => page.getByText("this browser") },
  "account-without-password": {
    path: "/account",
    account: "owner",
    arrived: (page: Page) => page.getByRole("button", { name: "Set password" }),
  },
  "not-found": {
    path: "/nowhere",
    account: true,
    arrived: (page: Page) => page.getByText("There is no such page"),
  },
} as const;

describe.each(schemes)("every page, %s", (colorScheme) => {
  describe.each(Object.entries(widths))("%s", (width, pixels) => {
    it.each(Object.entries(pages))(
      "%s fits its width, complains of nothing and meets WCAG 2.2 AA",
      async (name, view) => {
        const context = await browser.newContext({
          colorScheme,
          locale: "en-GB",
          viewport: { width: pixels, height: 820 },
          ...(view.account ? { storageState: view.account === "owner" ? owner : signedIn } : {}),
        });
        const { page, complaints } = await openPage(context);
        await page.goto(server.webUrl + view.path);
        await (await view.arrived(page)).first().waitFor();
        await page.waitForFunction(() => document.querySelector("[aria-busy=true], .pending") === null);
        await page.screenshot({
          path: join(pictures, `${name}-${width}-${colorScheme}.png`),
          fullPage: true,
        });
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(pixels);
        expect(await accessibilityFaults(page)).toEqual([]);
        expect(complaints).toEqual([]);
        await context.close();
      },
    );
  });
});

it("tells a stranger that there is no such page, with 404, and asks nobody to sign in for it", async () => {
  const context = await browser.newContext();
  const { page } = await openPage(context);
  const answer = await page.goto(`${server.webUrl}/no-such-page`);
  expect(answer?.status()).toBe(404);
  await page.getByText("There is no such page").waitFor();
  await page.getByRole("navigation").waitFor({ state: "detached" });
  expect(page.url()).toBe(`${server.webUrl}/no-such-page`);
  await context.close();
});

it("a credential can be ended on a window of 320 pixels", async () => {
  const viewport = { width: 320, height: 700 };
  const context = await browser.newContext({ storageState: signedIn, viewport });
  const { page } = await openPage(context);
  await page.goto(`${server.webUrl}/credentials`);
  const table = page.getByRole("region", { name: "Credentials, table" });
  await table.getByRole("button", { name: "Revoke Price checker" }).waitFor();
  expect(await table.evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0);
  await context.close();
});
