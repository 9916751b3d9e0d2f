import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { browser } from "wxt/browser";
import type { Engine } from "../engine.ts";
import { RequestFilter } from "../request-filter.ts";
import type { RequestWay, RoutedRequest } from "../request-way.ts";
import { addressRulesPath } from "../rulesets.ts";
import { setPrivacy } from "../set-privacy.ts";
import { AddressFilter } from "./address-filter.ts";
import { DEAD_END, proxyChain, type SocksProxy } from "./proxy-chain.ts";
import type { SeenRequest } from "./request-facts.ts";

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

type Verdict = { readonly cancel: boolean };

/** As far as Firefox's `webRequest` is more than Chrome's. */
interface FirefoxRequests {
  readonly onBeforeRequest: {
    addListener(
      answer: (request: SeenRequest) => Verdict | Promise<Verdict>,
      filter: { urls: string[] },
      how: ["blocking"],
    ): void;
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
  readonly #requests = browser.webRequest as unknown as FirefoxRequests;
  readonly #filter = new RequestFilter();
  readonly #addresses = new AddressFilter(readAddressRules);
  #isClosed: boolean | undefined;

  /**
   * Answers for every request. To be called in the background's first turn: Firefox wakes it for these listeners.
   * @param started the background knows again what is to be filtered
   */
  listen(wayOf: (request: RoutedRequest) => Promise<RequestWay>, started: Promise<unknown>): void {
    this.#addresses.beginWith(started);
    this.#proxy.onRequest.addListener(
      (request) =>
        wayOf(request)
          .catch((): RequestWay => ({ kind: "refused" }))
          .then(proxyChain),
      { urls: ["<all_urls>"] },
    );
    const verdict = (request: SeenRequest) => ({ cancel: this.#addresses.blocks(request) });
    this.#requests.onBeforeRequest.addListener(
      (request) => this.#addresses.beginning?.then(() => verdict(request)) ?? verdict(request),
      { urls: ["<all_urls>"] },
      ["blocking"],
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

  async setFilter(filter: BrowserFilter): Promise<string | null> {
    const [problem] = await Promise.all([this.#filter.set(filter), this.#addresses.set(filter)]);
    return problem;
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

async function readAddressRules(list: BuiltInList): Promise<ArrayBuffer> {
  return (await fetch(`/${addressRulesPath(list)}`)).arrayBuffer();
}
