import type { Place } from "@atlantic/extension/e2e/tabs/origins.ts";
import { routeTo, Stage, until } from "@atlantic/extension/e2e/tabs/stage.ts";
import type { Page } from "playwright-core";
import { median } from "../measure/statistics.ts";
import { makeRow } from "../row.ts";
import type { Suite } from "../suite.ts";

/** New tunnels in one reading. */
const TUNNELS = 15;
const PLACE = "us";
const OTHER_PLACE = "de";
const SITE = "a.test";
const OTHER_SITE = "b.test";

export const attribution: Suite = {
  name: "attribution",
  about: "what it costs a new tunnel in real Chromium to say whose it is",
  async run(context) {
    context.progress(`${context.rounds} rounds of ${TUNNELS} new tunnels in each mode`);
    const stage = await Stage.open({ policy: true });
    try {
      await sendEverything(stage, PLACE);
      const { page } = await stage.newTab();
      const other = await stage.newTab();
      await page.goto(`https://${SITE}/`);
      await other.page.goto(`https://${OTHER_SITE}/`);
      const added: number[] = [];
      const steady: number[] = [];
      const attributed: number[] = [];
      for (let round = -1; round < context.rounds; round++) {
        // All tabs share a route: no tunnel is attributed.
        await stage.send(other.tabId, PLACE);
        await routesLive(stage, 1);
        const without = await newTunnels(stage, page);
        // Another tab has another route: every tunnel is attributed, while only one tab loads.
        await stage.send(other.tabId, OTHER_PLACE);
        await routesLive(stage, 2);
        const within = await newTunnels(stage, page);
        context.keep(`round ${round}`, { steady: without, attributed: within });
        if (round < 0) continue;
        steady.push(median(without));
        attributed.push(median(within));
        added.push(median(within) - median(without));
      }
      const row = { suite: "attribution", unit: "ms", better: "lower" } as const;
      return [
        makeRow({
          ...row,
          case: "one tab loading, routes differ; against all tabs on one route",
          metric: "time added to a new tunnel, median",
          ours: added,
          bar: { of: "ours", atMost: 6 },
        }),
        makeRow({
          ...row,
          case: "one request over a new tunnel: tab, companion, exit and TLS site",
          metric: "time of the whole request, median",
          ours: attributed,
          peer: { name: "all tabs on one route", rounds: steady },
        }),
      ];
    } finally {
      await stage.close();
    }
  },
};

/** Requests that each need a tunnel of their own, one after the other. @returns milliseconds, on the page's clock */
async function newTunnels(stage: Stage, page: Page): Promise<number[]> {
  const times: number[] = [];
  const before = await tunnelsSoFar(stage);
  for (let tunnel = 0; tunnel < TUNNELS; tunnel++) {
    stage.origins.cut();
    times.push(
      await page.evaluate(async () => {
        const began = performance.now();
        await (await fetch("/data", { cache: "no-store" })).text();
        return performance.now() - began;
      }),
    );
  }
  const opened = (await tunnelsSoFar(stage)) - before;
  if (opened < TUNNELS) throw new Error(`Only ${opened} of ${TUNNELS} requests had a tunnel of their own.`);
  return times;
}

async function tunnelsSoFar(stage: Stage): Promise<number> {
  return (await stage.companion.control.request("status.get", {})).usage.requests;
}

async function sendEverything(stage: Stage, place: Place): Promise<void> {
  await stage.companion.control.request("route.set", {
    scope: { kind: "everything" },
    route: routeTo(place),
  });
}

/** Waits until the companion follows a plan with so many routes: one is steady, more are attributed. */
async function routesLive(stage: Stage, count: number): Promise<void> {
  await until(async () => {
    const { browsers } = await stage.companion.control.request("status.get", {});
    return browsers[0]?.routes === count;
  });
}
