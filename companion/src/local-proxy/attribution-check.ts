import { setTimeout as delay } from "node:timers/promises";
import type { Attribution } from "@atlantic/shared/control/attribution.ts";
import type { Browser } from "../browsers/browser.ts";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import { agrees, routeOf } from "../browsers/plan-rules.ts";
import { Soundings } from "../browsers/soundings.ts";
import type { FlowOwner } from "./open-flows.ts";

/** A flow whose browser, tab and route are known and agree with the browser's plan. */
export interface Identified extends FlowOwner {
  readonly browser: Browser;
}

/** A plan travels by another way than the request. Mostly it is there by then; otherwise the browser is asked for it. */
const PLAN_WAIT_MS = 500;

/** The longest wait for a browser that does not answer. Waiting lets nothing wrong through. */
const SILENCE_MS = 60_000;

/** Checks an attribution against the browser's plan, waiting for a plan that is on its way however slow the machine is. */
export async function checkAttribution(
  registry: BrowserRegistry,
  browser: Browser,
  attribution: Attribution,
  signal: AbortSignal,
): Promise<Identified | undefined> {
  const start = performance.now();
  const soundings = new Soundings(registry);
  for (;;) {
    const found = identified(registry, browser, attribution);
    if (found || signal.aborted || registry.get(browser.id) !== browser) return found;
    const waited = performance.now() - start;
    if (waited >= SILENCE_MS || (waited >= PLAN_WAIT_MS && soundings.haveAnswered([browser])))
      return undefined;
    await registry.nextChange((waited < PLAN_WAIT_MS ? PLAN_WAIT_MS : SILENCE_MS) - waited, signal);
    // Changes come in bursts: let the burst pass.
    await delay(0);
  }
}

function identified(
  registry: BrowserRegistry,
  browser: Browser,
  attribution: Attribution,
): Identified | undefined {
  const { plan } = browser;
  if (!plan || registry.get(browser.id) !== browser || !agrees(plan, attribution)) return undefined;
  const route = routeOf(plan, attribution.routeId);
  return route && { browser, attribution, route };
}
