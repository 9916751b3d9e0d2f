import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { z } from "zod";
import { ChromePipe } from "./chrome-pipe.ts";

export interface OpenOptions {
  readonly executable: string;
  readonly profile: string;
  /** The built extension's folder. */
  readonly extension: string;
  /** The page to open first. */
  readonly page: string;
  /** Where names of the demonstration are while exits are off: `host:port` to `address:port`. */
  readonly hosts: Readonly<Record<string, string>>;
  readonly extraArguments: readonly string[];
}

const loadedSchema = z.object({ id: z.string() });
const targetsSchema = z.object({
  targetInfos: z.array(z.object({ targetId: z.string(), type: z.string(), url: z.string() })),
});

/** The last that a browser says is why it ended; a thousand characters hold that. */
const MOST_SAID = 1000;

/**
 * Opens Chromium or Chrome with the extension loaded, in a profile of its own.
 * @throws Error with why it ended, where it ends before it is ready
 */
export async function openChrome(options: OpenOptions): Promise<ChildProcess> {
  const asRoot = process.getuid?.() === 0;
  const browser = spawn(
    options.executable,
    [
      `--user-data-dir=${options.profile}`,
      "--remote-debugging-pipe",
      "--enable-unsafe-extension-debugging",
      // What the managed policy AllowCrossOriginAuthPrompt does: images of other sites may ask for their tunnel.
      "--allow-cross-origin-auth-prompt",
      ...hostRules(options.hosts),
      "--no-first-run",
      "--no-default-browser-check",
      // Chrome's sandbox cannot be made by root.
      ...(asRoot ? ["--no-sandbox"] : []),
      ...options.extraArguments,
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] },
  );
  let said = "";
  browser.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-MOST_SAID);
  });
  const ended = new Promise<never>((_, reject) => {
    browser.once("error", reject);
    browser.once("close", (code) => reject(new Error(whyItEnded(options.executable, code, said))));
  });
  await Promise.race([ended, prepare(browser, options).catch((error) => onceEnded(browser, ended, error))]);
  return browser;
}

async function prepare(browser: ChildProcess, options: OpenOptions): Promise<void> {
  const pipe = new ChromePipe(browser.stdio[3] as Writable, browser.stdio[4] as Readable);
  loadedSchema.parse(await pipe.ask("Extensions.loadUnpacked", { path: options.extension }));
  const { targetInfos } = targetsSchema.parse(await pipe.ask("Target.getTargets", {}));
  await pipe.ask("Target.createTarget", { url: options.page });
  // The browser had to begin with some page, and nobody wants that one.
  const blank = targetInfos.find(({ type, url }) => type === "page" && url === "about:blank");
  if (blank) await pipe.ask("Target.closeTarget", { targetId: blank.targetId });
}

/** A browser that ends breaks its pipe first: then its own words say more than the pipe's. */
function onceEnded(browser: ChildProcess, ended: Promise<never>, error: unknown): Promise<never> {
  if (browser.exitCode === null && browser.signalCode === null && !isBroken(error)) throw error;
  return ended;
}

function isBroken(error: unknown): boolean {
  return error instanceof Error && /ECONNRESET|EPIPE|was closed/.test(error.message);
}

function whyItEnded(executable: string, code: number | null, said: string): string {
  if (code === 0) return "This profile is open in another window already: use that one, or close it first.";
  const first = `${executable} ended before it was ready.`;
  if (/missing X server|cannot open display|\$DISPLAY/i.test(said)) {
    return `${first} There is no display here: run this in a desktop session, or without a window by npm run browser -- --headless.`;
  }
  return said.trim() === "" ? first : `${first} It said:\n${said.trim()}`;
}

/** No public name server knows the demonstration's echo site: without this its first visit, exits off, is an error. */
function hostRules(hosts: OpenOptions["hosts"]): string[] {
  const rules = Object.entries(hosts).map(([name, address]) => `MAP ${name.replace(/:80$/, "")} ${address}`);
  return rules.length === 0 ? [] : [`--host-resolver-rules=${rules.join(",")}`];
}
