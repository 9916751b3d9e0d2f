import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { browser } from "wxt/browser";
import type { Engine } from "../engine.ts";
import { RequestFilter } from "../request-filter.ts";
import type { RequestWay, RoutedRequest } from "../request-way.ts";
import { setPrivacy } from "../set-privacy.ts";
import { DEAD_END, proxyChain, type SocksProxy } from "./proxy-chain.ts";

/** The proxy API that only Firefox has. */
interface FirefoxProxy {
  readonly onRequest: {
    addListener(
      answer: (request: RoutedRequest) => Promise<readonly [SocksProxy, null] | undefined>,
      filter: { urls: string[] },
    ): void;
  };
  readonly settings: {
    get(details: object): Promise<{ levelOfControl: string }>;
    set(details: { value: object }): Promise<boolean>;
    clear(details: object): Promise<boolean>;
  };
}

/** How the setting reads while only `proxy.onRequest` leads anything anywhere. */
const CLOSED_SETTINGS = {
  proxyType: "manual",
  socks: `${DEAD_END.host}:${DEAD_END.port}`,
  socksVersion: 5,
  proxyDNS: true,
  passthrough: "",
};

/**
 * Firefox asks its extension which way each request goes, and tells whose it is. So nothing has to wait at a gate, and
 * the browser's proxy setting is only the floor: what nobody has answered for meets a dead end.
 */
export class FirefoxEngine implements Engine {
  readonly #proxy = browser.proxy as unknown as FirefoxProxy;
  readonly #filter = new RequestFilter();
  #isClosed: boolean | undefined;

  /** Answers for every request. To be called in the background's first turn: Firefox wakes it for that listener. */
  listen(wayOf: (request: RoutedRequest) => Promise<RequestWay>): void {
    this.#proxy.onRequest.addListener(
      (request) =>
        wayOf(request)
          .catch((): RequestWay => ({ kind: "refused" }))
          .then(proxyChain),
      { urls: ["<all_urls>"] },
    );
  }

  async leadTo(script: object | null): Promise<void> {
    const isClosed = script !== null;
    if (isClosed === this.#isClosed) return;
    if (isClosed) await this.#proxy.settings.set({ value: CLOSED_SETTINGS });
    else await this.#proxy.settings.clear({});
    this.#isClosed = isClosed;
  }

  async setGuard(): Promise<void> {}

  setFilter(filter: BrowserFilter): Promise<string | null> {
    return this.#filter.set(filter);
  }

  readonly setPrivacy = setPrivacy;

  async conflict(): Promise<string | null> {
    if (!(await browser.extension.isAllowedIncognitoAccess())) {
      return "Firefox lets an add-on set the proxy only when it may run in private windows. Allow that for Atlantic Proxy at about:addons, then try again.";
    }
    const settings = [
      { name: "the proxy setting", ...(await this.#proxy.settings.get({})) },
      { name: "the WebRTC setting", ...(await browser.privacy.network.webRTCIPHandlingPolicy.get({})) },
    ];
    for (const { name, levelOfControl } of settings) {
      if (levelOfControl === "controlled_by_other_extensions") {
        return `Another add-on holds ${name}. Switch that add-on off at about:addons, then try again.`;
      }
      if (levelOfControl === "not_controllable") {
        return `An administrator holds ${name} of this browser. Ask them to leave it to Atlantic Proxy.`;
      }
    }
    return null;
  }
}
