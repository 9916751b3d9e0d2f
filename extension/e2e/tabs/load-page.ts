import type { Page } from "playwright-core";
import type { Scorer } from "./tally.ts";

declare global {
  interface Window {
    /** Of the test pages: resolves with what could not be loaded when all that the page asked for has ended. */
    finished?: () => Promise<string[]>;
  }
}

const NAVIGATION_MS = 100_000;

/** Goes to a busy page as by the address bar, and scores what it could not load. */
export async function loadPage(page: Page, url: string, scorer: Scorer): Promise<void> {
  reasonsOf(page);
  try {
    await page.goto(url, { timeout: NAVIGATION_MS, waitUntil: "commit" });
    await arrive(page, url, scorer);
  } catch (error) {
    scorer.isBroken(`${url}: ${firstLine(error)}`);
  }
}

/** Waits until the page is there, gate or no gate, with everything that it asks for. */
export async function arrive(page: Page, url: string, scorer: Scorer): Promise<void> {
  const reasons = reasonsOf(page);
  const reasonOf = (href: string) => `: ${reasons.get(href) ?? `${href} gave no reason`}`;
  try {
    await page.waitForURL((now) => now.href === url, { timeout: NAVIGATION_MS, waitUntil: "load" });
    for (const frame of page.frames()) {
      const failed = await frame.evaluate(() => window.finished?.() ?? null);
      // Another page in its place, such as a refusal, keeps no ledger.
      if (!failed) scorer.isBroken(`${url}: not the page that was asked for${reasonOf(frame.url())}`);
      for (const what of failed ?? []) {
        const { href } = new URL(what, url);
        scorer.isBroken(`${href}${reasonOf(href)}`);
      }
    }
  } catch (error) {
    scorer.isBroken(`${url}: ${firstLine(error)}, the tab shows ${await shownBy(page)}`);
  }
}

/** Where a tab is instead, and what a person reads there. */
async function shownBy(page: Page): Promise<string> {
  const text = page.evaluate("document.body?.innerText.trim()").catch(() => "nothing");
  return `${page.url().slice(0, 80)}: ${String(await text)
    .replaceAll(/\s+/g, " ")
    .slice(0, 300)}`;
}

const reasonsOfPages = new WeakMap<Page, Map<string, string>>();

/** What the browser says why requests of this page have failed, by URL, from the first call on. */
function reasonsOf(page: Page): ReadonlyMap<string, string> {
  const known = reasonsOfPages.get(page);
  if (known) return known;
  const reasons = new Map<string, string>();
  reasonsOfPages.set(page, reasons);
  page.on("requestfailed", (request) => reasons.set(request.url(), request.failure()?.errorText ?? ""));
  return reasons;
}

function firstLine(error: unknown): string {
  return String(error).split("\n", 1)[0] ?? "";
}
