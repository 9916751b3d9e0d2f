import type { Page } from "playwright-core";
import type { Scorer } from "./tally.ts";

declare global {
  interface Window {
    /** Of the test pages: resolves with what could not be loaded when all that the page asked for has ended. */
    finished?: () => Promise<string[]>;
  }
}

const NAVIGATION_MS = 20_000;

/** Goes to a busy page as by the address bar, and scores what it could not load. */
export async function loadPage(page: Page, url: string, scorer: Scorer): Promise<void> {
  try {
    await page.goto(url, { timeout: NAVIGATION_MS, waitUntil: "commit" });
    await arrive(page, url, scorer);
  } catch (error) {
    scorer.isBroken(`${url}: ${firstLine(error)}`);
  }
}

/** Waits until the page is there, gate or no gate, with everything that it asks for. */
export async function arrive(page: Page, url: string, scorer: Scorer): Promise<void> {
  try {
    await page.waitForURL((now) => now.href === url, { timeout: NAVIGATION_MS, waitUntil: "load" });
    const failed = await page.evaluate(() => window.finished?.() ?? null);
    // Another page in its place, such as a refusal, keeps no ledger.
    for (const what of failed ?? [`${url}: not the page that was asked for`]) scorer.isBroken(what);
  } catch (error) {
    scorer.isBroken(`${url}: ${firstLine(error)}`);
  }
}

function firstLine(error: unknown): string {
  return String(error).split("\n", 1)[0] ?? "";
}
