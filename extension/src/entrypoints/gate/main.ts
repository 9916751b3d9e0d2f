import { browser } from "wxt/browser";
import { GATE_PORT, type GateAnswer, type GateQuestion } from "../../gate-messages.ts";

/** Most waits are over before anybody could read a word. */
const SHOW_AFTER_MS = 400;
const ASK_AGAIN_MS = 300;
const PROBE_MS = 1_500;
/** A background that was about to sleep may have lost the question. */
const PATIENCE_MS = 10_000;

const sent = location.search === "?sent";
const url = location.hash.slice(1);

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The gate page has no ${id}.`);
  return found;
};

function show(headline: string, sentence: string): void {
  element("headline").textContent = headline;
  element("sentence").textContent = sentence;
  element("address").textContent = url;
  element("gate").hidden = false;
}

function receive(answer: GateAnswer): void {
  switch (answer.kind) {
    case "go":
      void probed(answer.probe).then(() => location.replace(answer.url));
      return;
    case "sendAgain":
      element("back").hidden = false;
      show("Nothing was sent yet", answer.sentence);
      return;
    case "wait":
      show("Waiting", answer.sentence);
      return;
    case "blocked":
      show("Blocked", answer.sentence);
  }
}

/** Resolves when the image has come to its end, which tells the background what it wants to know. */
async function probed(address: string | null): Promise<void> {
  if (address === null) return;
  await new Promise<void>((resolve) => {
    const image = new Image();
    image.onerror = () => resolve();
    setTimeout(resolve, PROBE_MS);
    image.src = address;
  });
}

/** The background may sleep or be updated while this page waits. */
function ask(): void {
  const port = browser.runtime.connect({ name: GATE_PORT });
  const unanswered = setTimeout(() => {
    port.disconnect();
    ask();
  }, PATIENCE_MS);
  port.onMessage.addListener((answer: GateAnswer) => {
    clearTimeout(unanswered);
    receive(answer);
  });
  port.onDisconnect.addListener(() => {
    clearTimeout(unanswered);
    setTimeout(ask, ASK_AGAIN_MS);
  });
  port.postMessage({ url, sent } satisfies GateQuestion);
}

element("back").addEventListener("click", () => history.back());
setTimeout(() => {
  if (element("gate").hidden) show("Waiting", "Atlantic Proxy is getting the way to this page ready.");
}, SHOW_AFTER_MS);
ask();
