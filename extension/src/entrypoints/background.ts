import { type Browser, browser } from "wxt/browser";
import { defineBackground } from "wxt/utils/define-background";
import { Background } from "../background/background.ts";
import { sentenceOf } from "../background/wire.ts";
import { ChromeEngine } from "../engine/chrome/chrome-engine.ts";
import { FirefoxEngine } from "../engine/firefox/firefox-engine.ts";
import { GATE_PORT, type GateQuestion } from "../gate-messages.ts";
import { PAGE_PORT, type PageCommand, type PageUpdate } from "../messages.ts";

const everyUrl = { urls: ["http://*/*", "https://*/*", "ws://*/*", "wss://*/*"] };
const LINK_ALARM = "link";

/** Has the background act once it has its state. */
type When = <Details extends unknown[]>(
  act: (background: Background, ...details: Details) => unknown,
) => (...details: Details) => void;

/**
 * Every listener is registered in the first turn, because the browser wakes a sleeping background only for listeners
 * that it had there; each then waits until the background has its state again.
 */
export default defineBackground(() => {
  const engine = location.protocol === "moz-extension:" ? new FirefoxEngine() : new ChromeEngine();
  const ready = Background.start(engine);
  const when: When =
    (act) =>
    (...details) => {
      ready
        .then((background) => act(background, ...details))
        .catch((error: unknown) => console.warn(sentenceOf(error)));
    };

  browser.tabs.onCreated.addListener(when((background, tab) => background.tabCreated(tab)));
  browser.tabs.onRemoved.addListener(when((background, tabId) => background.tabRemoved(tabId)));
  browser.tabs.onReplaced.addListener(
    when((background, added, removed) => background.tabReplaced(added, removed)),
  );
  browser.tabs.onActivated.addListener(when((background) => background.settingsChanged()));

  browser.webNavigation.onCreatedNavigationTarget.addListener(
    when((background, details) => background.tabOpenedByPage(details)),
  );
  browser.webNavigation.onBeforeNavigate.addListener(
    when((background, details) => background.navigationBegun(details)),
  );
  browser.webNavigation.onCommitted.addListener(when((background, details) => background.committed(details)));
  browser.webNavigation.onHistoryStateUpdated.addListener(
    when((background, details) => background.movedWithin(details)),
  );
  browser.webNavigation.onErrorOccurred.addListener(
    when((background, details) => background.navigationFailed(details)),
  );

  if (engine instanceof FirefoxEngine) engine.listen(async (request) => (await ready).wayOf(request), ready);
  else hearRequests(ready, when);
  browser.proxy.settings.onChange.addListener(when((background) => background.settingsChanged()));

  browser.runtime.onConnect.addListener((port) => {
    if (port.name === GATE_PORT) {
      port.onMessage.addListener(
        when((background, question: GateQuestion) => background.atGate(port, question)),
      );
    } else if (port.name === PAGE_PORT) {
      port.onMessage.addListener(when((background, command: PageCommand) => obey(background, port, command)));
      when((background) => background.pageOpened(port))();
    }
  });
  browser.runtime.onStartup.addListener(when(() => {}));
  browser.runtime.onInstalled.addListener(when(() => {}));
  browser.alarms.create(LINK_ALARM, { periodInMinutes: 0.5 });
  browser.alarms.onAlarm.addListener(when((background) => background.tick()));
});

/** What Chrome tells of requests and asks about tunnels. */
function hearRequests(ready: Promise<Background>, when: When): void {
  browser.webRequest.onBeforeRequest.addListener((details) => {
    when((background, seen: typeof details) => background.requestStarted(seen))(details);
    return undefined;
  }, everyUrl);
  const settled = when((background, details: { requestId: string }) => background.requestSettled(details));
  browser.webRequest.onResponseStarted.addListener(settled, everyUrl);
  browser.webRequest.onBeforeRedirect.addListener(settled, everyUrl);
  browser.webRequest.onCompleted.addListener(settled, everyUrl);
  browser.webRequest.onErrorOccurred.addListener(
    when((background, details) => background.requestFailed(details)),
    everyUrl,
  );
  browser.webRequest.onAuthRequired.addListener(
    (details, answer) => {
      ready.then(
        (background) => answer?.(background.challenged(details)),
        () => answer?.({ cancel: true }),
      );
      return undefined;
    },
    { urls: ["<all_urls>"] },
    ["asyncBlocking"],
  );

  // Tunnels that are refused are reported here as errors of the proxy; the requests themselves have failed already.
  browser.proxy.onProxyError.addListener(() => {});
}

async function obey(background: Background, port: Browser.runtime.Port, command: PageCommand): Promise<void> {
  try {
    await background.command(command);
  } catch (error) {
    port.postMessage({ kind: "problem", sentence: sentenceOf(error) } satisfies PageUpdate);
  }
}
