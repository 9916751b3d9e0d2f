import type { Page } from "playwright-core";
import { busyLoads } from "./busy-loads.ts";
import { arrive, loadPage } from "./load-page.ts";
import type { Place } from "./origins.ts";
import type { Scenario } from "./scenario.ts";
import { until } from "./stage.ts";
import { Scorer } from "./tally.ts";

const threeSites = [
  { host: "a.test", place: "us" },
  { host: "b.test", place: "de" },
  { host: "c.test", place: "direct" },
];
const threeOldSites = threeSites.map(({ host, place }) => ({ host: `h1${host}`, place }));
const oneSite = [
  { host: "a.test", place: "us" },
  { host: "a.test", place: "de" },
];

const FLIPS = 6;
const MANY = 30;

/** At least 2,000 requests. */
export const threeTabs: Scenario = {
  name: "three tabs, three ways, tunnels cut between rounds",
  run: (stage) => busyLoads(stage, threeSites, { scheme: "https", rounds: 13, count: 10, cutTunnels: true }),
};

export const threeTabsShort: Scenario = {
  name: "three tabs, three ways, tunnels cut between rounds",
  run: (stage) => busyLoads(stage, threeSites, { scheme: "https", rounds: 6, count: 4, cutTunnels: true }),
};

export const threeTabsSteadily: Scenario = {
  name: "three tabs, three ways, tunnels kept",
  run: (stage) => busyLoads(stage, threeSites, { scheme: "https", rounds: 5, count: 6, cutTunnels: false }),
};

export const oldSites: Scenario = {
  name: "three tabs, sites of HTTP/1.1",
  run: (stage) => busyLoads(stage, threeOldSites, { scheme: "https", rounds: 4, count: 4, cutTunnels: true }),
};

export const plainHttp: Scenario = {
  name: "plain http, two tabs of one site and another",
  run: (stage) =>
    busyLoads(stage, [...oneSite, { host: "c.test", place: "direct" }], {
      scheme: "http",
      rounds: 4,
      count: 4,
      cutTunnels: true,
    }),
};

export const oneSiteTwoRoutes: Scenario = {
  name: "one site, two ways, by the address bar",
  run: (stage) => busyLoads(stage, oneSite, { scheme: "https", rounds: 5, count: 4, cutTunnels: true }),
};

export const thirtyTabs: Scenario = {
  name: "thirty tabs at once",
  run: (stage) => {
    const places: Place[] = ["us", "de", "jp", "direct"];
    const loads = Array.from({ length: MANY }, (_, index) => ({
      host: `s${index}.test`,
      place: places[index % places.length] ?? "direct",
    }));
    return busyLoads(stage, loads, { scheme: "https", rounds: 1, count: 2, cutTunnels: false });
  },
};

const lateUrls = (letter: string) =>
  ["a.test", "b.test", "cdn.test"].flatMap((host) =>
    Array.from({ length: 4 }, (_, at) => `https://${host}/late?t=${letter}&n=${at}`),
  );

/** In the page: asks for all at once. Resolves with what did not come. */
async function askedFor(urls: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(
    urls.map((url) =>
      fetch(url).then(
        () => [],
        () => [url],
      ),
    ),
  );
  return answers.flat();
}

/**
 * Has the page ask for all at once. A page that has taken the tab but not come to its end is loaded again by the new way,
 * once: then it is the new one that asks. Resolves with what did not come.
 */
function askInMidLoad(page: Page, urls: readonly string[]): Promise<string[]> {
  return page.evaluate(askedFor, urls).catch((error: unknown) => {
    if (!String(error).includes("Execution context was destroyed")) throw error;
    return page.evaluate(askedFor, urls);
  });
}

/** The tab goes elsewhere while its page is loading: what comes after the change comes from the new place. */
export const turnedInMidLoad: Scenario = {
  name: "a route changed in mid-load",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    const other = await stage.newTabTo("direct");
    await loadPage(other.page, "https://c.test/page?t=&n=0&k=1", scorer);
    const tab = await stage.newTabTo("us");
    let place: Place = "us";
    for (let turn = 0; turn < FLIPS; turn += 1) {
      const next: Place = place === "us" ? "de" : "us";
      const url = `https://a.test/page?t=turn${turn}&n=${turn}&k=12&ws=1`;
      const loading = tab.page.goto(url, { waitUntil: "load" }).catch(() => null);
      await tab.page.waitForURL((now) => now.href === url, { waitUntil: "commit" });
      await stage.send(tab.tabId, next);
      // Of what the page itself asks for nobody knows which had left before; of these it is known.
      const after = `after${turn}`;
      scorer.expect(after, next);
      for (const failed of await askInMidLoad(tab.page, lateUrls(after)))
        scorer.isBroken(`${failed}, asked for in mid-load`);
      await loading;
      const settled = `settled${turn}`;
      scorer.expect(settled, next);
      await loadPage(tab.page, `https://a.test/page?t=${settled}&n=${turn}&k=2&ws=1`, scorer);
      place = next;
    }
    await Promise.all([tab.page.close(), other.page.close()]);
    return scorer;
  },
};

/** Pages that do not come from the place where they are asked for first: no answer, or the first half of one. */
const unfinished = [
  "https://a.test/page?never=us",
  "https://a.test/page?half=us",
  "http://a.test/page?never=us",
];

/** The tab goes elsewhere before its page has come: the page comes by the new way, and nobody has to ask again. */
export const turnedOnTheWay: Scenario = {
  name: "a route changed before the page has come",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    const tab = await stage.newTabTo("us");
    const other = await stage.newTab();
    for (const place of ["us", "direct"] as const) {
      await stage.send(other.tabId, place);
      await loadPage(other.page, "https://c.test/page?t=&n=0&k=1", scorer);
      for (const [index, page] of unfinished.entries()) {
        await stage.send(tab.tabId, "us");
        const letter = `way-${place}-${index}`;
        const url = `${page}&t=${letter}&n=0&k=2`;
        const before = stage.origins.seen.length;
        const begun = tab.page.goto(url, { waitUntil: "commit" }).catch(() => null);
        await until(() => stage.origins.seen.slice(before).some((one) => one.letter === letter));
        const after = new Scorer(stage.origins.seen);
        after.expect(letter, "de");
        scorer.join(after);
        await stage.send(tab.tabId, "de");
        await begun;
        await arrive(tab.page, url, scorer);
      }
    }
    await Promise.all([tab.page.close(), other.page.close()]);
    return scorer;
  },
};
