import { access } from "node:fs/promises";
import { onPath } from "../program.ts";

/** The browsers that `npm run browser` can open. */
export const browserNames = ["chromium", "chrome", "firefox"] as const;
export type BrowserName = (typeof browserNames)[number];

const commands: Record<BrowserName, readonly string[]> = {
  chromium: ["chromium", "chromium-browser"],
  chrome: ["google-chrome", "google-chrome-stable"],
  firefox: ["firefox", "firefox-esr"],
};

const macApplications: Record<BrowserName, string> = {
  chromium: "/Applications/Chromium.app/Contents/MacOS/Chromium",
  chrome: "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  firefox: "/Applications/Firefox.app/Contents/MacOS/firefox",
};

const installHint: Record<BrowserName, string> = {
  chromium: "On Debian or Ubuntu: sudo apt install chromium.",
  chrome: "Get it from google.com/chrome, or use npm run browser -- chromium.",
  firefox: "On Debian: sudo apt install firefox-esr.",
};

export interface FoundBrowser {
  readonly name: BrowserName;
  readonly executable: string;
}

/**
 * Finds the browser asked for, or the first there is.
 * @throws Error with one sentence when there is none.
 */
export async function findBrowser(wanted: BrowserName | undefined): Promise<FoundBrowser> {
  for (const name of wanted ? [wanted] : browserNames) {
    const executable = await findExecutable(name);
    if (executable) return { name, executable };
  }
  if (wanted) throw new Error(`No ${wanted} was found on this computer. ${installHint[wanted]}`);
  throw new Error(`No Chromium, Chrome or Firefox was found on this computer. ${installHint.chromium}`);
}

async function findExecutable(name: BrowserName): Promise<string | undefined> {
  for (const command of commands[name]) {
    const file = await onPath(command);
    if (file) return file;
  }
  if (process.platform !== "darwin") return undefined;
  return access(macApplications[name]).then(
    () => macApplications[name],
    () => undefined,
  );
}
