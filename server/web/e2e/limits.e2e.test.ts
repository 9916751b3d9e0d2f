import { readFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RunningServer, startServer } from "./running-server.ts";
import { askThrough, openTunnel } from "./through-gateway.ts";
import { openBrowser, openPage, signUp } from "./web-browser.ts";

const TARGET = "echo.atlantic.test:80";

let server: RunningServer;
let browser: Browser;
let page: Page;
let complaints: string[];
let login: string;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), openBrowser()]);
  ({ page, complaints } = await openPage(await browser.newContext()));
  await signUp(page, server.webUrl);
  await page.goto(`${server.webUrl}/credentials`);
  await page.getByLabel("What it is for").fill("Price checker");
  await page.keyboard.press("Enter");
  const issued = page.getByTestId("issued");
  const read = (name: string) => issued.getByRole("region", { name, exact: true }).textContent();
  login = `${await read("User name")}:${await read("Password")}`;
  await page.getByRole("link", { name: "Price checker" }).click();
  await page.getByRole("heading", { name: "Price checker" }).waitFor();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const gateway = () => ({ host: server.gatewayHost, port: server.gatewayPort });
const limits = () => page.getByRole("region", { name: "Limits of this credential" });
const save = () => limits().getByRole("button", { name: "Save" }).click();

it("names what is wrong at its field, whoever finds it, and keeps what was written", async () => {
  await limits().getByLabel("Requests per second").fill("many");
  await save();
  await limits().getByText("Write a whole number from 1 to 100,000, or nothing.").waitFor();
  await limits().getByLabel("Requests per second").fill("");
  await limits().getByLabel("Allowed ports").fill("99999");
  await save();
  await limits().getByText('"99999" is not a port').first().waitFor();
  expect(await limits().getByLabel("Allowed ports").inputValue()).toBe("99999");
  await limits().getByLabel("Allowed ports").fill("");
});

it("cuts an open tunnel to a target that is blocked now, and lets it be again when it is allowed", async () => {
  const tunnel = await openTunnel(gateway(), login, TARGET);
  tunnel.on("error", () => {});
  const cut = new Promise((resolve) => tunnel.once("close", resolve));
  await limits().getByLabel("Blocked targets").fill("*.atlantic.test");
  await save();
  await limits().getByText("Saved.").waitFor();
  await cut;
  await expect(openTunnel(gateway(), login, TARGET)).rejects.toThrow("403");
  await limits().getByLabel("Blocked targets").fill("");
  await save();
  await limits().getByText("Saved.").waitFor();
  await expect
    .poll(() => openTunnel(gateway(), login, TARGET).then((open) => askThrough(open, "echo.atlantic.test")))
    .toMatchObject({ received: expect.any(Number) });
});

it("refuses a list of addresses that would let everybody in", async () => {
  const ways = page.getByRole("region", { name: "How clients sign in" });
  await ways.getByRole("radio", { name: "Address", exact: true }).check();
  await ways.getByLabel("Addresses").fill("0.0.0.0/0");
  await ways.getByRole("button", { name: "Save" }).click();
  await ways.getByRole("alert").waitFor();
  await ways.getByRole("radio", { name: "Password", exact: true }).check();
});

it("hands out the receipts of what was carried", async () => {
  const waiting = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  const lines = (await readFile(await (await waiting).path(), "utf8")).trim().split("\n");
  expect(lines.filter((line) => line.includes(TARGET)).length).toBeGreaterThan(0);
  expect(complaints).toEqual([]);
});
