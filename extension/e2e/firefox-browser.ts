import { once } from "node:events";
import { z } from "zod";
import { type AskFirefox, driveFirefox } from "../../scripts/browser/open-firefox.ts";

const contextSchema = z.object({ context: z.string() });
const treeSchema = z.object({ contexts: z.array(contextSchema) });
const evaluatedSchema = z.object({ result: z.looseObject({ value: z.string() }) });

/** A tab of a Firefox that is driven over WebDriver BiDi. */
export class FirefoxTab {
  readonly #ask: AskFirefox;
  readonly #context: string;

  constructor(ask: AskFirefox, context: string) {
    this.#ask = ask;
    this.#context = context;
  }

  /** Loads a page to its end. @throws Error when nothing came */
  async open(url: string): Promise<void> {
    await this.#ask("browsingContext.navigate", { context: this.#context, url, wait: "complete" });
  }

  text(): Promise<string> {
    return this.#evaluate("document.documentElement.innerText");
  }

  /** Has the page open another, as a click on a link does. */
  async openFromPage(url: string): Promise<FirefoxTab> {
    const before = await contexts(this.#ask);
    await this.#evaluate(`String(window.open(${JSON.stringify(url)}) !== null)`);
    const added = (await contexts(this.#ask)).find((context) => !before.includes(context));
    if (added === undefined) throw new Error("The page opened no tab.");
    return new FirefoxTab(this.#ask, added);
  }

  async #evaluate(expression: string): Promise<string> {
    const target = { context: this.#context };
    const how = { awaitPromise: true, userActivation: true };
    const evaluated = await this.#ask("script.evaluate", { expression, target, ...how });
    return evaluatedSchema.parse(evaluated).result.value;
  }
}

async function contexts(ask: AskFirefox): Promise<string[]> {
  const tree = treeSchema.parse(await ask("browsingContext.getTree", { maxDepth: 0 }));
  return tree.contexts.map(({ context }) => context);
}

export interface FirefoxBrowser {
  newTab(): Promise<FirefoxTab>;
  close(): Promise<void>;
}

/** Opens Firefox as `npm run browser -- firefox` does, without a window. */
export async function openFirefoxBrowser(profile: string, extension: string): Promise<FirefoxBrowser> {
  const { browser, ask } = await driveFirefox({
    executable: process.env.ATLANTIC_FIREFOX ?? "/usr/bin/firefox-esr",
    profile,
    extension,
    page: "about:blank",
    hosts: {},
    extraArguments: ["--headless"],
  });
  return {
    async newTab() {
      const { context } = contextSchema.parse(await ask("browsingContext.create", { type: "tab" }));
      return new FirefoxTab(ask, context);
    },
    async close() {
      const gone = once(browser, "exit");
      browser.kill("SIGTERM");
      await gone;
    },
  };
}
