import { chromiumExecutable } from "@atlantic/extension/e2e/chromium.ts";
import { chromium, type Page } from "playwright-core";
import { z } from "zod";
import type { PageLoad } from "./http3.ts";

/**
 * `node http3-client-program.ts PROFILE URL LOADS SWITCH…`: Chromium, with its QUIC, loads a page until it came over
 * HTTP/3, LOADS times at most. Prints each load as a line of JSON.
 */
const [profile = "", url = "", loads = "", ...switches] = process.argv.slice(2);

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const navigationSchema = z.object({ nextHopProtocol: z.string(), responseEnd: z.number() });

const browser = await chromium.launchPersistentContext(profile, {
  executablePath: chromiumExecutable,
  headless: true,
  args: [...quiet, ...switches],
});
try {
  const page = await browser.newPage();
  for (let count = 0; count < Number(loads); count++) {
    const load = await loadPage(page, `${url}?${count}`);
    process.stdout.write(`${JSON.stringify(load)}\n`);
    if (load.protocol === "h3") break;
  }
} finally {
  // What it learned of the site is written to the profile when it ends in order.
  await browser.close();
}

async function loadPage(page: Page, address: string): Promise<PageLoad> {
  const response = await page.goto(address, { waitUntil: "load", timeout: 40_000 });
  if (response === null) throw new Error(`Chromium loaded nothing from ${address}.`);
  const entry = await page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()");
  const { nextHopProtocol, responseEnd } = navigationSchema.parse(entry);
  return { protocol: nextHopProtocol, ms: responseEnd, body: await response.text() };
}
