import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type GatewayFixture,
  startGatewayFixture,
} from "@atlantic/server/src/gateway/testing/gateway-fixture.ts";
import type { Route } from "@atlantic/shared/routing/route.ts";
import { type BrowserContext, chromium, type Page, type Worker } from "playwright-core";
import { z } from "zod";
import { EXTENSION_ID } from "../../id.ts";
import { PAGE_PORT, type PageCommand } from "../../src/messages.ts";
import { chromiumArguments, chromiumExecutable } from "../chromium.ts";
import { buildExtension } from "./build-extension.ts";
import { makeCertificate } from "./certificate.ts";
import { CompanionProcess } from "./companion-process.ts";
import { type Origins, type Place, siteNames, startOrigins } from "./origins.ts";
import { setTripwire, type Tripwire } from "./tripwire.ts";

const tabsSchema = z.array(z.object({ id: z.int().optional(), title: z.string().optional() }));

export interface StageOptions {
  /** Whether the policy AllowCrossOriginAuthPrompt is on. */
  readonly policy: boolean;
  /** The built extension; built now when left out. */
  readonly extension?: string;
}

/** Where a tab is sent: `direct`, or the country of an exit. */
export function routeTo(place: Place): Route {
  return place === "direct" ? { kind: "direct" } : { kind: "exit", exit: { country: place } };
}

/** Sites, the gateway with its exits, the companion and Chromium with the extension, all real, all on loopback. */
export class Stage {
  readonly origins: Origins;
  readonly companion: CompanionProcess;
  readonly tripwire: Tripwire;
  readonly #directory: string;
  readonly #options: Required<StageOptions>;
  readonly #spki: string;
  readonly #exits: GatewayFixture;
  #context: BrowserContext;
  #worker: Worker;

  private constructor(parts: {
    origins: Origins;
    companion: CompanionProcess;
    tripwire: Tripwire;
    directory: string;
    options: Required<StageOptions>;
    spki: string;
    exits: GatewayFixture;
    context: BrowserContext;
    worker: Worker;
  }) {
    this.origins = parts.origins;
    this.companion = parts.companion;
    this.tripwire = parts.tripwire;
    this.#directory = parts.directory;
    this.#options = parts.options;
    this.#spki = parts.spki;
    this.#exits = parts.exits;
    this.#context = parts.context;
    this.#worker = parts.worker;
  }

  static async open(given: StageOptions): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), "atlantic-tabs-"));
    const extension = given.extension ?? (await buildExtension(join(directory, "build")));
    const options = { ...given, extension };
    const certificate = await makeCertificate(directory, siteNames);
    const origins = await startOrigins(certificate);
    const exits = await startGatewayFixture({ targets: { hosts: { ...origins.hosts } }, flushMs: 500 });
    const tripwire = await setTripwire();
    const companion = await CompanionProcess.start(join(directory, "data"), {
      upstream: {
        kind: "gateway",
        host: "127.0.0.1",
        port: exits.gateway.port,
        username: exits.account.username,
        password: exits.account.password,
        apiUrl: "http://127.0.0.1:1",
      },
      hosts: { ...origins.hosts },
    });
    await companion.introduce(join(directory, "profile"));
    const launched = await launch(options, directory, certificate.spki, tripwire.port);
    const stage = new Stage({
      origins,
      companion,
      tripwire,
      directory,
      options,
      spki: certificate.spki,
      exits,
      ...launched,
    });
    await stage.paired();
    await stage.#switchOn();
    return stage;
  }

  get context(): BrowserContext {
    return this.#context;
  }

  get worker(): Worker {
    return this.#worker;
  }

  /** Resolves when the companion knows the browser. */
  async paired(): Promise<void> {
    await until(async () => (await this.companion.control.request("status.get", {})).browsers.length > 0);
  }

  async newTab(): Promise<{ page: Page; tabId: number }> {
    const page = await this.#context.newPage();
    return { page, tabId: await this.tabIdOf(page) };
  }

  /** A new tab that goes through this place. */
  async newTabTo(place: Place): Promise<{ page: Page; tabId: number }> {
    const tab = await this.newTab();
    await this.send(tab.tabId, place);
    return tab;
  }

  /** Resolves when the browser and the companion follow the new route. */
  async send(tabId: number, place: Place): Promise<void> {
    await this.companion.control.request("route.set", {
      scope: { kind: "tab", tabId },
      route: routeTo(place),
    });
  }

  async sendSite(site: string, place: Place): Promise<void> {
    await this.companion.control.request("route.set", {
      scope: { kind: "site", site },
      route: routeTo(place),
    });
  }

  /** Ends the extension's service worker, as the browser does when it has been idle. */
  async stopBackground(): Promise<void> {
    const page = await this.#ownPage();
    const session = await this.#context.newCDPSession(page);
    await session.send("ServiceWorker.enable");
    await session.send("ServiceWorker.stopAllWorkers");
    await page.close();
  }

  /** Sends a command as the popup does. */
  async command(command: PageCommand): Promise<void> {
    const page = await this.#ownPage();
    await page.evaluate(`new Promise((resolve) => {
      const port = chrome.runtime.connect({ name: ${JSON.stringify(PAGE_PORT)} });
      port.onMessage.addListener(resolve);
      port.postMessage(${JSON.stringify(command)});
    })`);
    await page.close();
  }

  /** As a person does first: until then every tab goes past the companion, "direct" or not. */
  async #switchOn(): Promise<void> {
    await this.command({ kind: "enable", on: true });
    await until(async () => (await this.proxyMode()) === "pac_script");
  }

  /** What the browser's proxy setting is now. */
  async proxyMode(): Promise<string> {
    return String(
      await this.#worker.evaluate("chrome.proxy.settings.get({}).then(({ value }) => value.mode)"),
    );
  }

  async #ownPage(): Promise<Page> {
    const page = await this.#context.newPage();
    await page.goto(`chrome-extension://${EXTENSION_ID}/options.html`);
    return page;
  }

  /** The browser's number of the tab that shows this page. */
  async tabIdOf(page: Page): Promise<number> {
    const mark = `tab ${Math.random()}`;
    const before = await page.title();
    await page.evaluate(`document.title = ${JSON.stringify(mark)}`);
    let tabId: number | undefined;
    await until(async () => {
      const tabs = tabsSchema.parse(await this.#worker.evaluate("chrome.tabs.query({})"));
      tabId = tabs.find(({ title }) => title === mark)?.id;
      return tabId !== undefined;
    });
    await page.evaluate(`document.title = ${JSON.stringify(before)}`);
    return tabId ?? -1;
  }

  /** Closes every tab but one. */
  async closeTabs(): Promise<void> {
    const [, ...others] = this.#context.pages();
    await Promise.all(others.map((page) => page.close().catch(() => {})));
  }

  /**
   * Closes the browser and opens it again with its session. Chrome loads an extension of the command line after the
   * tabs that it restores, so the command line also has the floor that an administrator's policy would be: the companion
   * is the proxy before any extension says so.
   */
  async restartBrowser(): Promise<void> {
    await this.#context.close();
    const { context, worker } = await launch(this.#options, this.#directory, this.#spki, this.tripwire.port, [
      "--restore-last-session",
      `--proxy-server=127.0.0.1:${this.companion.proxyPort}`,
    ]);
    this.#context = context;
    this.#worker = worker;
  }

  async close(): Promise<void> {
    await this.#context.close();
    await this.companion.close();
    await this.#exits.close();
    this.tripwire.close();
    await this.origins.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function launch(
  options: Required<StageOptions>,
  directory: string,
  spki: string,
  tripwirePort: number,
  more: readonly string[] = [],
): Promise<{ context: BrowserContext; worker: Worker }> {
  const context = await chromium.launchPersistentContext(join(directory, "profile"), {
    executablePath: chromiumExecutable,
    headless: true,
    timeout: PATIENCE_MS,
    args: [
      ...chromiumArguments(options.extension),
      `--ignore-certificate-errors-spki-list=${spki}`,
      `--host-resolver-rules=MAP *.test 127.0.0.1:${tripwirePort}`,
      ...(options.policy ? ["--allow-cross-origin-auth-prompt"] : []),
      ...more,
    ],
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  return { context, worker };
}

const LOOK_MS = 20;
const PATIENCE_MS = 60_000;

/** Waits for a state. @throws Error when it does not come */
export async function until(
  reached: () => Promise<boolean> | boolean,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await reached())) {
    if (Date.now() > deadline) throw new Error("The state that the test waits for did not come.");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
