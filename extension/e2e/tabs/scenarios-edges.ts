import { createSocket } from "node:dgram";
import { once } from "node:events";
import { arrive, loadPage } from "./load-page.ts";
import { demand, type Scenario } from "./scenario.ts";
import { type Stage, until } from "./stage.ts";
import { Scorer } from "./tally.ts";

declare global {
  interface Window {
    /** Of the page with workers. */
    service?: Promise<string>;
    shared?: Promise<string>;
  }
}

/** Workers belong to no tab: where the site has one way they go that way, and where it has two they go nowhere. */
export const workers: Scenario = {
  name: "service and shared workers",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    for (const letter of ["work-us", "work-again"]) scorer.expect(letter, "us");
    scorer.expect("work-de", "de");
    const [us, de] = [await stage.newTabTo("us"), await stage.newTabTo("de")];
    await loadPage(de.page, "https://b.test/page?t=work-de&n=0&k=1", scorer);
    await loadPage(us.page, "https://d.test/workers?t=work-us&n=0", scorer);
    demand((await us.page.evaluate(() => window.service)) === "ready", "The service worker did not start.");
    demand((await us.page.evaluate(() => window.shared)) === "ok", "The shared worker got no answer.");
    await loadPage(us.page, "https://d.test/workers?t=work-us&n=1", scorer);
    await us.page.evaluate(() => fetch("/through-worker").then((answer) => answer.text()));
    const byWorkers = scorer.seen().filter(({ path }) => path === "/worker-data");
    demand(byWorkers.length >= 2, `The workers asked ${byWorkers.length} times.`);
    const url = "https://d.test/page?t=work-de&n=1&k=1";
    // The worker answers this navigation itself and may ask for nothing: the page comes past it.
    await de.page.goto(url, { waitUntil: "commit" }).catch(() => null);
    await arrive(de.page, url, scorer);
    await us.page.evaluate(() => fetch("/through-worker").catch(() => null));
    // Chrome looks for a newer worker when it likes, the way of whoever is left: that must be the tab of its letter.
    await de.page.close();
    await us.page.close();
    return scorer;
  },
};

/** No packet of WebRTC leaves past the proxy, and no address of this machine is told to a page. */
export const webRtc: Scenario = {
  name: "WebRTC",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    scorer.expect("rtc", "us");
    const listener = createSocket("udp4");
    let packets = 0;
    listener.on("message", () => {
      packets += 1;
    });
    listener.bind(0, "127.0.0.1");
    await once(listener, "listening");
    const { page } = await stage.newTabTo("us");
    await loadPage(page, "https://a.test/page?t=rtc&n=0&k=1", scorer);
    const candidates = await page.evaluate(async (port) => {
      const found: string[] = [];
      const connection = new RTCPeerConnection({ iceServers: [{ urls: `stun:127.0.0.1:${port}` }] });
      connection.createDataChannel("x");
      const gathered = new Promise<void>((resolve) => {
        connection.onicecandidate = ({ candidate }) =>
          candidate ? found.push(candidate.candidate) : resolve();
        setTimeout(resolve, 3_000);
      });
      await connection.setLocalDescription(await connection.createOffer());
      await gathered;
      connection.close();
      return found.filter(Boolean);
    }, listener.address().port);
    listener.close();
    demand(packets === 0, `${packets} packets of WebRTC went past the proxy.`);
    demand(candidates.length === 0, `WebRTC told the page ${candidates.join(", ")}.`);
    await page.close();
    return scorer;
  },
};

/** The background sleeps when the next pages are loaded. */
export const asleep: Scenario = {
  name: "the service worker of the extension asleep",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    scorer.expect("asleep-us", "us");
    scorer.expect("asleep-de", "de");
    const [us, de] = [await stage.newTabTo("us"), await stage.newTabTo("de")];
    for (let round = 0; round < 4; round += 1) {
      await stage.stopBackground();
      await Promise.all([
        loadPage(us.page, `https://a.test/page?t=asleep-us&n=${round}&k=2`, scorer),
        loadPage(de.page, `https://b.test/page?t=asleep-de&n=${round}&k=2`, scorer),
      ]);
    }
    await Promise.all([us.page.close(), de.page.close()]);
    return scorer;
  },
};

/** While the companion is gone nothing leaves; when it is back, pages load by themselves. */
export const companionKilled: Scenario = {
  name: "the companion killed and started again",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    for (const [letter, place] of [
      ["kill-us", "us"],
      ["kill-de", "de"],
      ["kill-direct", "direct"],
    ] as const) {
      scorer.expect(letter, place);
    }
    const tabs = [
      { ...(await stage.newTabTo("us")), url: "https://a.test/page?t=kill-us" },
      { ...(await stage.newTabTo("de")), url: "https://b.test/page?t=kill-de" },
      { ...(await stage.newTabTo("direct")), url: "https://c.test/page?t=kill-direct" },
    ];
    await Promise.all(tabs.map(({ page, url }) => loadPage(page, `${url}&n=0&k=2`, scorer)));
    await stage.companion.kill();
    const before = stage.origins.seen.length;
    // Each comes to the gate or fails: what is still on its way would come in between the next navigation.
    await Promise.all(tabs.map(({ page, url }) => page.goto(`${url}&n=1&k=2`).catch(() => null)));
    const late = new Scorer(stage.origins.seen);
    await Promise.all(tabs.map(({ page }) => askDirectly(page)));
    demand(stage.origins.seen.length === before, "Something was sent while the companion was gone.");
    await stage.companion.startAgain();
    await stage.paired();
    await Promise.all(tabs.map(({ page, url }) => loadPage(page, `${url}&n=2&k=2`, late)));
    for (const what of late.broken()) scorer.isBroken(what);
    await Promise.all(tabs.map(({ page }) => page.close()));
    return scorer;
  },
};

async function askDirectly(page: { evaluate(run: () => Promise<unknown>): Promise<unknown> }): Promise<void> {
  await page.evaluate(() => fetch("https://c.test/data?t=never").catch(() => null)).catch(() => null);
}

/** Where no extension may look, nobody can answer a challenge: the page fails, and no dialog asks for a password. */
export const hiddenHost: Scenario = {
  name: "a host that is hidden from extensions",
  async run(stage: Stage) {
    const scorer = new Scorer(stage.origins.seen);
    const other = await stage.newTabTo("us");
    await loadPage(other.page, "https://a.test/page?t=&n=0&k=1", scorer);
    const { page } = await stage.newTabTo("de");
    const outcome = await page.goto("https://chromewebstore.google.com/", { timeout: 100_000 }).then(
      () => "loaded",
      (error: unknown) => String(error),
    );
    demand(/ERR_/.test(outcome), `The hidden host did not fail: ${outcome}`);
    await Promise.all([page.close(), other.page.close()]);
    return scorer;
  },
};

/** Switched off, the browser is as it was before. */
export const switchedOff: Scenario = {
  name: "switched off and on again",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    scorer.expect("on-again", "us");
    const { page, tabId } = await stage.newTabTo("us");
    await stage.command({ kind: "enable", on: false });
    await until(() => stage.proxyMode().then((mode) => mode !== "pac_script"));
    await stage.command({ kind: "enable", on: true });
    await stage.send(tabId, "us");
    await loadPage(page, "https://a.test/page?t=on-again&n=0&k=2", scorer);
    await page.close();
    return scorer;
  },
};
