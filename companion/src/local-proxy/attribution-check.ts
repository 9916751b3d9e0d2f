import { setTimeout as delay } from "node:timers/promises";
import type { Attribution } from "@atlantic/shared/control/attribution.ts";
import type { Browser } from "../browsers/browser.ts";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import { agrees, routeOf } from "../browsers/plan-rules.ts";
import type { FlowOwner } from "./open-flows.ts";

/** A flow whose browser, tab and route are known and agree with the browser's plan. */
export interface Identified extends FlowOwner {
  readonly browser: Browser;
}

/**
 * How long a plan that is under way may take to arrive: it travels by another way than the request. While thirty tabs
 * open on a busy machine that is seconds; waiting lets nothing wrong through.
 */
const PLAN_WAIT_MS = 5_000;

/** Checks an attribution against the browser's plan, waiting shortly for a plan that is on its way. */
export async function checkAttribution(
  registry: BrowserRegistry,
  browser: Browser,
  attribution: Attribution,
  signal: AbortSignal,
): Promise<Identified | undefined> {
  const deadline = performance.now() + PLAN_WAIT_MS;
  for (;;) {
    const found = identified(registry, browser, attribution);
    if (found || signal.aborted || performance.now() >= deadline) return found;
    await registry.nextChange(deadline - performance.now(), signal);
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
