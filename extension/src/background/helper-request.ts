import { browser } from "wxt/browser";

export interface HelperWanted {
  readonly tabId: number;
  readonly frameId: number;
  readonly host: string;
  readonly port: number;
}

/** How often each frame was helped: credentials and no credentials use tunnels of their own, so they take turns. */
const turns = new Map<string, number>();
const MAX_TURNS = 2_000;

/**
 * Asks for something small from the same frame, so that the challenge which Chrome does not put to an image is put to
 * this request, and the image uses the tunnel that it opens. A page's content policy does not bind this world.
 */
export async function helpFrame({ tabId, frameId, host, port }: HelperWanted): Promise<void> {
  const key = `${tabId}/${frameId}/${host}:${port}`;
  const turn = turns.get(key) ?? 0;
  if (turns.size > MAX_TURNS) turns.clear();
  turns.set(key, turn + 1);
  const authority = host.includes(":") ? `[${host}]` : host;
  const url = `https://${authority}${port === 443 ? "" : `:${port}`}/favicon.ico`;
  await browser.scripting.executeScript({
    target: { tabId, frameIds: [frameId] },
    injectImmediately: true,
    args: [url, turn % 2 === 0 ? "include" : "omit"],
    func: (address: string, credentials: string) => {
      fetch(address, {
        method: "HEAD",
        mode: "no-cors",
        cache: "no-store",
        credentials: credentials === "omit" ? "omit" : "include",
        priority: "high",
      }).catch(() => {});
    },
  });
}
