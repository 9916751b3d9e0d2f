import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { OpenOptions } from "./open-chrome.ts";

const announcement = /WebDriver BiDi listening on (ws:\/\/\S+)/;
/**
 * Firefox forgets an add-on installed for one run, and with it what the person chose; and when a proxy fails, it sends
 * its own requests, for updates and the like, past it.
 */
const settings = `user_pref("extensions.webextensions.keepStorageOnUninstall", true);
user_pref("extensions.webextensions.keepUuidOnUninstall", true);
user_pref("network.proxy.failover_direct", false);
`;
const replySchema = z.union([
  z.object({ type: z.literal("success"), id: z.int(), result: z.looseObject({}) }),
  z.object({ type: z.literal("error"), id: z.int(), message: z.string() }),
  z.object({ type: z.literal("event") }),
]);

/** Asks Firefox for something over WebDriver BiDi. @throws Error with Firefox's message */
export type AskFirefox = (method: string, params: object) => Promise<object>;

export interface OpenedFirefox {
  readonly browser: ChildProcess;
  readonly ask: AskFirefox;
}

/** Opens Firefox with the extension installed for this run, in a profile of its own. */
export async function openFirefox(options: OpenOptions): Promise<ChildProcess> {
  return (await driveFirefox(options)).browser;
}

/** Opens Firefox likewise, and lets it be driven. */
export async function driveFirefox(options: OpenOptions): Promise<OpenedFirefox> {
  await mkdir(options.profile, { recursive: true });
  await writeFile(join(options.profile, "user.js"), settings);
  const browser = spawn(
    options.executable,
    ["--profile", options.profile, "--no-remote", "--remote-debugging-port", "0", ...options.extraArguments],
    // Firefox looks for native-messaging hosts under the home folder: its profile stands in for it.
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, HOME: options.profile } },
  );
  try {
    const ask = await connect(`${await announcedUrl(browser)}/session`);
    await prepare(ask, options);
    return { browser, ask };
  } catch (error) {
    browser.kill("SIGTERM");
    throw error;
  }
}

async function prepare(ask: AskFirefox, options: OpenOptions): Promise<void> {
  await ask("session.new", { capabilities: {} });
  await ask("webExtension.install", {
    extensionData: { type: "path", path: options.extension },
    // Firefox lets only an add-on that may run in private windows set the proxy.
    "moz:allowPrivateBrowsing": true,
  });
  const { contexts } = z
    .object({ contexts: z.array(z.object({ context: z.string() })).min(1) })
    .parse(await ask("browsingContext.getTree", {}));
  // A page that does not come is Firefox's to show.
  await ask("browsingContext.navigate", {
    context: contexts[0]?.context,
    url: options.page,
    wait: "none",
  }).catch(() => {});
}

function announcedUrl(browser: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    browser.stderr?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const found = announcement.exec(output)?.[1];
      if (found) resolve(found);
    });
    browser.once("error", reject);
    browser.once("exit", () => reject(new Error("Firefox ended before it was ready.")));
  });
}

async function connect(url: string): Promise<AskFirefox> {
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error(`Firefox did not answer at ${url}.`)));
  });
  let next = 1;
  return (method, params) =>
    new Promise((resolve, reject) => {
      const id = next++;
      const listen = (event: MessageEvent) => {
        const reply = replySchema.parse(JSON.parse(String(event.data)));
        if (reply.type === "event" || reply.id !== id) return;
        socket.removeEventListener("message", listen);
        if (reply.type === "error") reject(new Error(reply.message));
        else resolve(reply.result);
      };
      socket.addEventListener("message", listen);
      socket.send(JSON.stringify({ id, method, params }));
    });
}
