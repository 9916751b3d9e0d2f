import type { Browser } from "../browsers/browser.ts";
import type { Pending } from "../browsers/pending-requests.ts";
import type { FrameGroup } from "./challenge-gate.ts";
import type { Target } from "./open-flows.ts";

/** A frame is asked again for a helper after this long. */
const ASK_AGAIN_MS = 700;

/** After a tunnel of the frame's tab came to be, the requests that wait get this long to move onto it (TLS, HTTP/2). */
const SETTLE_MS = 1_500;

const CAPACITY = 2_000;

/** Asks browsers to open, by a request that can answer a challenge, the tunnels that their images wait for. */
export class HelperRequests {
  readonly #asked = new Map<string, number>();
  readonly #opened = new Map<string, number>();

  /** A tunnel was attributed to this tab. */
  tunnelOpened(browser: Browser, tabId: number, target: Target, now: number): void {
    remember(this.#opened, `${browser.id}/${tabId}/${target.host}:${target.port}`, now);
  }

  /** Whether a tunnel of its tab has opened to its host since it is pending. */
  hasOpened(browser: Browser, { tabId, host, port, since }: Pending): boolean {
    return (this.#opened.get(`${browser.id}/${tabId}/${host}:${port}`) ?? Number.NEGATIVE_INFINITY) >= since;
  }

  ask(browser: Browser, frames: readonly FrameGroup[], target: Target, now: number): void {
    for (const { tabId, frameId } of frames) {
      if (tabId < 0) continue;
      const tab = `${browser.id}/${tabId}/${target.host}:${target.port}`;
      const frame = `${tab}/${frameId}`;
      if (
        isWithin(this.#opened.get(tab), SETTLE_MS, now) ||
        isWithin(this.#asked.get(frame), ASK_AGAIN_MS, now)
      ) {
        continue;
      }
      remember(this.#asked, frame, now);
      browser.tell("helper.wanted", { tabId, frameId, host: target.host, port: target.port });
    }
  }
}

function isWithin(moment: number | undefined, ms: number, now: number): boolean {
  return moment !== undefined && now - moment < ms;
}

function remember(moments: Map<string, number>, key: string, now: number): void {
  moments.delete(key);
  moments.set(key, now);
  const [oldest] = moments.keys();
  if (moments.size > CAPACITY && oldest !== undefined) moments.delete(oldest);
}
