import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { registerHost } from "@atlantic/companion/src/native-messaging/register.ts";
import { type BrowserContext, chromium, type Page, type Worker } from "playwright-core";
import { z } from "zod";
import { type RunningServer, startServer } from "../../server/web/e2e/running-server.ts";
import { EXTENSION_ID } from "../id.ts";
import { chromiumArguments, chromiumExecutable } from "./chromium.ts";
import { buildExtension } from "./tabs/build-extension.ts";
import { CompanionProcess } from "./tabs/companion-process.ts";

const credentialSchema = z.object({ username: z.string(), password: z.string() });

/** The product as a newcomer has it: server with the demonstration, companion, and Chromium with the extension. */
export interface WholeProduct {
  readonly server: RunningServer;
  readonly companion: CompanionProcess;
  readonly context: BrowserContext;
  readonly worker: Worker;
  /** The folder of the built extension. */
  readonly extension: string;
  /** The popup as a page beside the tab that it is about, which has to be in front. */
  readonly openPopup: (tab: Page) => Promise<Page>;
  readonly close: () => Promise<void>;
}

interface WholeProductOptions {
  readonly colorScheme?: "light" | "dark";
  /** How the browser comes to know the companion: paired without a hand, by a person with six words, or not at all. */
  readonly pairing: "ticket" | "words" | "none";
}

export async function startWholeProduct(options: WholeProductOptions): Promise<WholeProduct> {
  const directory = await mkdtemp(join(tmpdir(), "atlantic-whole-"));
  const [server, extension] = await Promise.all([startServer(), buildExtension(join(directory, "build"))]);
  const dataDir = join(directory, "data");
  const companion = await startCompanion(dataDir, server);
  const userDataDir = join(directory, "profile");
  if (options.pairing === "ticket") await companion.introduce(userDataDir);
  if (options.pairing === "words") await registerHost({ dataDir, userDataDir, extensionId: EXTENSION_ID });
  const context = await launch(userDataDir, extension, options.colorScheme ?? "light");
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  return {
    server,
    companion,
    context,
    worker,
    extension,
    openPopup: (tab) => openPopup(context, tab),
    async close() {
      await context.close();
      await companion.close();
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/**
 * The companion of a server with the demonstration, under its first credential.
 * @param hosts where other names lead, each with its port
 */
export async function startCompanion(
  data: string,
  server: RunningServer,
  hosts: Readonly<Record<string, string>> = {},
): Promise<CompanionProcess> {
  const { username, password } = credentialSchema.parse(server.credential);
  const demonstration = server.demonstration;
  if (!demonstration) throw new Error("the demonstration is off");
  return CompanionProcess.start(data, {
    upstream: {
      kind: "gateway",
      host: server.gatewayHost,
      port: server.gatewayPort,
      username,
      password,
      apiUrl: server.webUrl,
    },
    addressCheckUrl: `http://${demonstration.echoHost}/address`,
    hosts: { ...hosts, [`${demonstration.echoHost}:80`]: demonstration.echoAddress },
  });
}

function launch(profile: string, extension: string, colorScheme: "light" | "dark"): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: chromiumExecutable,
    headless: true,
    colorScheme,
    locale: "en-GB",
    args: [...chromiumArguments(extension)],
  });
}

async function openPopup(context: BrowserContext, tab: Page): Promise<Page> {
  const popup = await context.newPage();
  await popup.setViewportSize({ width: 372, height: 560 });
  await popup.goto(`chrome-extension://${EXTENSION_ID}/popup.html`);
  await tab.bringToFront();
  return popup;
}
