import type { Page } from "playwright-core";
import { arrive, loadPage } from "./load-page.ts";
import { demand, type Scenario } from "./scenario.ts";
import { type Stage, until } from "./stage.ts";
import { Scorer } from "./tally.ts";

const WORDS = "forty-two words";

const target = "https://a.test/page";
const urlOf = (letter: string) => `${target}?t=${letter}&n=0&k=1`;

/** Opens a.test through us, and a page through de from which doors lead there. */
async function withDoor(
  stage: Stage,
  letter: string,
  act: (door: Page, scorer: Scorer) => Promise<void>,
): Promise<Scorer> {
  const scorer = new Scorer(stage.origins.seen);
  const [holder, visitor] = [`${letter}-holder`, `${letter}-visitor`];
  scorer.expect(holder, "us");
  scorer.expect(visitor, "de");
  const here = await stage.newTabTo("us");
  await loadPage(here.page, urlOf(holder), scorer);
  const there = await stage.newTabTo("de");
  await loadPage(there.page, `https://b.test/door?t=${visitor}&n=0&to=${encodeURIComponent(target)}`, scorer);
  await act(there.page, scorer);
  await loadPage(here.page, urlOf(holder), scorer);
  await Promise.all([here.page.close(), there.page.close()]);
  return scorer;
}

export const byClick: Scenario = {
  name: "one site, two ways, by a click",
  run: (stage) =>
    withDoor(stage, "click", async (door, scorer) => {
      await door.click("#link", { noWaitAfter: true });
      await arrive(door, urlOf("click-visitor"), scorer);
    }),
};

export const byForm: Scenario = {
  name: "one site, two ways, by a form that gets",
  run: (stage) =>
    withDoor(stage, "get", async (door, scorer) => {
      await door.click("#get-button", { noWaitAfter: true });
      await arrive(door, urlOf("get-visitor"), scorer);
    }),
};

/** The form is stopped before it leaves, and sent as it was after going back. */
export const byPost: Scenario = {
  name: "one site, two ways, by a form that posts",
  run: (stage) =>
    withDoor(stage, "post", async (door, scorer) => {
      await door.fill("#words", WORDS);
      await door.click("#post-button", { noWaitAfter: true });
      await door.waitForSelector("#back:not([hidden])");
      demand(!posts(scorer).length, "The form was sent although its site was held.");
      await door.click("#back", { noWaitAfter: true });
      await door.waitForSelector("#post-button");
      const kept = await door.inputValue("#words");
      demand(kept === WORDS, `Going back lost what was written: "${kept}".`);
      await door.click("#post-button", { noWaitAfter: true });
      await arrive(door, urlOf("post-visitor"), scorer);
      const sent = posts(scorer);
      demand(sent.length === 1, `The form arrived ${sent.length} times.`);
      demand(sent[0]?.body === `words=${WORDS.replace(" ", "+")}`, "The form lost its content.");
    }),
};

function posts(scorer: Scorer) {
  return scorer.seen().filter(({ method, path }) => method === "POST" && path === "/page");
}

/** Nobody holds the site: a form goes straight there, with its content. */
export const postToNobodys: Scenario = {
  name: "a form to a site that nobody holds",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    scorer.expect("free", "de");
    scorer.expect("other", "us");
    const other = await stage.newTabTo("us");
    await loadPage(other.page, "https://c.test/page?t=other&n=0&k=1", scorer);
    const { page } = await stage.newTabTo("de");
    const to = "https://e.test/page";
    await loadPage(page, `https://b.test/door?t=free&n=0&to=${encodeURIComponent(to)}`, scorer);
    await page.fill("#words", WORDS);
    await page.click("#post-button", { noWaitAfter: true });
    await arrive(page, `${to}?t=free&n=0&k=1`, scorer);
    demand(posts(scorer).length === 1, "The form did not arrive.");
    await Promise.all([page.close(), other.page.close()]);
    return scorer;
  },
};

/** A tab that a page opens goes where the page goes. */
export const openedByPages: Scenario = {
  name: "tabs opened by pages",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    const other = await stage.newTabTo("us");
    scorer.expect("others", "us");
    await loadPage(other.page, "https://c.test/page?t=others&n=0&k=1", scorer);
    const { page } = await stage.newTabTo("de");
    for (const [index, door] of ["#open", "#blank", "#opener"].entries()) {
      const letter = `opened${index}`;
      const to = `https://${["d", "e", "s0"][index]}.test/page`;
      scorer.expect(letter, "de");
      await loadPage(page, `https://b.test/door?t=${letter}&n=0&to=${encodeURIComponent(to)}`, scorer);
      const opening = stage.context.waitForEvent("page");
      await page.click(door, { noWaitAfter: true });
      const opened = await opening;
      await arrive(opened, `${to}?t=${letter}&n=0&k=1`, scorer);
      await opened.close();
    }
    await Promise.all([page.close(), other.page.close()]);
    return scorer;
  },
};

/** A redirect leads to a site that another tab holds. */
export const byRedirect: Scenario = {
  name: "one site, two ways, by a redirect",
  run: (stage) =>
    withDoor(stage, "redirect", async (door, scorer) => {
      const to = urlOf("redirect-visitor");
      await door.goto(`http://d.test/redirect?t=redirect-visitor&n=0&to=${encodeURIComponent(to)}`, {
        waitUntil: "commit",
      });
      await arrive(door, to, scorer);
    }),
};

/** The tabs of the last session come back to the places that they had. */
export const restored: Scenario = {
  name: "restored tabs",
  async run(stage) {
    const scorer = new Scorer(stage.origins.seen);
    const tabs = [
      { letter: "back-us", host: "a.test", place: "us" },
      { letter: "back-de", host: "b.test", place: "de" },
      { letter: "back-us-too", host: "d.test", place: "us" },
      { letter: "back-same", host: "a.test", place: "de" },
    ];
    for (const { letter, host, place } of tabs) {
      const { page } = await stage.newTabTo(place);
      scorer.expect(letter, place);
      await loadPage(page, `https://${host}/page?t=${letter}&n=0&k=2`, scorer);
    }
    await stage.restartBrowser();
    const loads = (letter: string) =>
      scorer.seen().filter((one) => one.letter === letter && one.path === "/page").length;
    await until(() => tabs.every(({ letter }) => loads(letter) >= 2));
    return scorer;
  },
};
