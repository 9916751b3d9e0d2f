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

/** Opens Chromium or Chrome with the extension loaded, in a profile of its own. */
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
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const pipe = new ChromePipe(browser.stdio[3] as Writable, browser.stdio[4] as Readable);
  loadedSchema.parse(await pipe.ask("Extensions.loadUnpacked", { path: options.extension }));
  await pipe.ask("Target.createTarget", { url: options.page });
  return browser;
}

/** No public name server knows the demonstration's echo site: without this its first visit, exits off, is an error. */
function hostRules(hosts: OpenOptions["hosts"]): string[] {
  const rules = Object.entries(hosts).map(([name, address]) => `MAP ${name.replace(/:80$/, "")} ${address}`);
  return rules.length === 0 ? [] : [`--host-resolver-rules=${rules.join(",")}`];
}
