import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { encodeModel, type PageCommand, type PageUpdate, type PopupModel } from "../src/messages.ts";
import { NOW } from "./popup-models.ts";

export type ColourScheme = "light" | "dark";

/** One of the extension's pages in real Chromium, with the background's end of its port in the test's hands. */
export interface StagedPage {
  readonly page: Page;
  readonly post: (update: PageUpdate) => Promise<void>;
  readonly show: (model: PopupModel) => Promise<void>;
  readonly commands: () => Promise<readonly PageCommand[]>;
}

/** Builds the popup and the options page and serves them; the extension's own APIs are what the test stages. */
export async function openStage() {
  const folder = await mkdtemp(join(tmpdir(), "atlantic-pages-"));
  for (const name of ["popup", "options"]) await buildPage(name, join(folder, name));
  const server = await serve(folder);
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu"],
  });
  return {
    open: (name: "popup" | "options", scheme: ColourScheme) =>
      openPage(browser, `${server.url}/${name}/`, name, scheme),
    async close() {
      await browser.close();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** In a process of its own: the test runner's NODE_ENV would build React as for development. */
async function buildPage(name: string, outDir: string): Promise<void> {
  const root = join(import.meta.dirname, "../src/entrypoints", name);
  const vite = join(import.meta.dirname, "../../node_modules/vite/bin/vite.js");
  const options = ["--outDir", outDir, "--emptyOutDir", "--base", "./", "--logLevel", "error"];
  const env = { ...process.env, NODE_ENV: "production" };
  await promisify(execFile)(process.execPath, [vite, "build", root, ...options], { env });
}

const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

async function serve(folder: string) {
  const server: Server = createServer(async (request, response) => {
    const path = (request.url ?? "/").replace(/\/$/, "/index.html");
    const body = await readFile(join(folder, path)).catch(() => null);
    response.writeHead(body ? 200 : 404, {
      "content-type": types[extname(path)] ?? "application/octet-stream",
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

interface StagedWindow {
  readonly commands: PageCommand[];
  readonly listeners: ((update: PageUpdate) => void)[];
}

async function openPage(
  browser: Browser,
  url: string,
  name: string,
  scheme: ColourScheme,
): Promise<StagedPage> {
  const viewport = name === "popup" ? { width: 372, height: 560 } : { width: 900, height: 900 };
  const context = await browser.newContext({
    viewport,
    colorScheme: scheme,
    locale: "en-GB",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  await page.clock.install({ time: NOW });
  await page.addInitScript(() => {
    const stage: StagedWindow = { commands: [], listeners: [] };
    const port = {
      onMessage: { addListener: (listener: (update: PageUpdate) => void) => stage.listeners.push(listener) },
      onDisconnect: { addListener: () => {} },
      postMessage: (command: PageCommand) => stage.commands.push(command),
    };
    const runtime = { id: "stage", connect: () => port, openOptionsPage: () => {} };
    Object.assign(globalThis, { stage });
    Object.defineProperty(globalThis, "chrome", { value: { runtime } });
  });
  await page.goto(url);
  await page.getByText("Atlantic").first().waitFor();
  const post = (update: PageUpdate) =>
    page.evaluate((sent) => {
      const { stage } = globalThis as unknown as { stage: StagedWindow };
      for (const listener of stage.listeners) listener(sent);
    }, update);
  return {
    page,
    post,
    show: (model) => post(encodeModel(model)),
    commands: () => page.evaluate(() => (globalThis as unknown as { stage: StagedWindow }).stage.commands),
  };
}
