import { join } from "node:path";
import { ControlClient } from "@atlantic/companion/src/control/control-client.ts";
import { companionPaths } from "@atlantic/companion/src/data-paths.ts";
import { registerHost } from "@atlantic/companion/src/native-messaging/register.ts";
import { chromiumArguments, chromiumExecutable } from "@atlantic/extension/e2e/chromium.ts";
import { EXTENSION_ID } from "@atlantic/extension/id.ts";
import { type Browser, type BrowserContext, chromium, type Page, type Worker } from "playwright-core";
import { chromeExtension } from "../build.ts";
import { repository } from "../settings.ts";
import { freePorts } from "./start-product.ts";

/** A Chromium as `npm run browser` opens it, driven from a test. */
export interface OpenedBrowser {
  readonly context: BrowserContext;
  /** Opens the toolbar's popup over a tab, as a click on the toolbar button does. */
  popupOver(page: Page): Promise<Page>;
  close(): Promise<void>;
}

/** Opens Chromium with the built extension, native messaging registered and paired by a ticket. */
export async function openBrowser(data: string): Promise<OpenedBrowser> {
  const client = await ControlClient.open(companionPaths(data).controlSocket, "test", "0.1.0");
  const { ticket } = await client.request("pair.ticket", {});
  client.close();
  const profile = join(data, "browser", "test");
  await registerHost({ dataDir: data, userDataDir: profile, extensionId: EXTENSION_ID, ticket });
  const extension = join(repository, chromeExtension.output);
  const [port] = await freePorts(1);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumExecutable,
    headless: true,
    args: [
      ...chromiumArguments(extension),
      "--allow-cross-origin-auth-prompt",
      `--remote-debugging-port=${port}`,
    ],
  });
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  return {
    context,
    popupOver: (page) => popupOver(page, worker, `http://127.0.0.1:${port}`),
    close: () => context.close(),
  };
}

async function popupOver(page: Page, worker: Worker, debuggingUrl: string): Promise<Page> {
  await page.bringToFront();
  await worker.evaluate("chrome.action.openPopup()");
  // The toolbar's popup is no page of the context: only a connection made while it is open sees it.
  const second = await chromium.connectOverCDP(debuggingUrl);
  const popup = pagesOf(second).find((candidate) => candidate.url().includes("/popup.html"));
  if (!popup) throw new Error(`Chromium shows no popup, only ${pagesOf(second).map((each) => each.url())}`);
  popup.setDefaultTimeout(60_000);
  popup.once("close", () => second.close());
  return popup;
}

function pagesOf(browser: Browser): Page[] {
  return browser.contexts().flatMap((context) => context.pages());
}
