import { DIRECT, routeId } from "@atlantic/shared/routing/route.ts";
import { expect, test } from "vitest";
import { DEAD_END, proxyChain } from "./proxy-chain.ts";

const attribution = {
  kind: "tab",
  tabId: 7,
  site: "a.test",
  routeId: routeId(DIRECT),
  own: true,
} as const;

test("a request goes to the companion with its tab's name, and nowhere else when the companion is gone", () => {
  const way = { kind: "companion", attribution, host: "127.0.0.1", port: 9150, secret: "s" } as const;
  const username = `tab/7/${routeId(DIRECT)}/a.test/own`;
  expect(proxyChain(way)).toEqual([
    {
      type: "socks",
      host: "127.0.0.1",
      port: 9150,
      username,
      password: "s",
      proxyDNS: true,
      connectionIsolationKey: username,
    },
    null,
  ]);
});

test("a refused request meets a dead end, because no proxy at all would let it out", () => {
  expect(proxyChain({ kind: "refused" })).toEqual([{ type: "socks", ...DEAD_END, proxyDNS: true }, null]);
});

test("while exits are not used the browser's own settings decide", () => {
  expect(proxyChain({ kind: "untouched" })).toBeUndefined();
});
