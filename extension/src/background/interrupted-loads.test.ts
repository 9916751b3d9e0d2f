import { beforeEach, expect, test } from "vitest";
import { InterruptedLoads } from "./interrupted-loads.ts";

const RESET = "net::ERR_CONNECTION_RESET";
const url = "https://a.test/page";
const load = { tabId: 1, url, method: "GET" };
const failure = { tabId: 1, url, error: RESET };

let finish: () => void;
let loads: InterruptedLoads;

beforeEach(() => {
  const { promise, resolve } = Promise.withResolvers<void>();
  finish = resolve;
  loads = new InterruptedLoads(() => promise);
});

test("a page whose tunnels were closed on its way is loaded again, whichever is heard of first", async () => {
  loads.began(load);
  const isFirst = loads.isToBeLoadedAgain(failure);
  loads.tunnelsClosed();
  finish();
  expect(await isFirst).toBe(true);
  loads.began({ ...load, tabId: 2 });
  loads.tunnelsClosed();
  expect(await loads.isToBeLoadedAgain({ ...failure, tabId: 2 })).toBe(true);
});

test("a page that came by half is loaded again, and so is one with a fragment", async () => {
  finish();
  loads.began(load);
  loads.came(1);
  loads.tunnelsClosed();
  expect(await loads.isToBeLoadedAgain({ ...failure, url: `${url}#end` })).toBe(true);
});

test("a page that fails by itself stays failed", async () => {
  finish();
  loads.tunnelsClosed();
  loads.began(load);
  expect(await loads.isToBeLoadedAgain(failure)).toBe(false);
});

test("what was loaded again fails for good when it fails again, until a page has come", async () => {
  finish();
  const isLoadedAgain = () => {
    loads.began(load);
    loads.tunnelsClosed();
    return loads.isToBeLoadedAgain(failure);
  };
  expect(await isLoadedAgain()).toBe(true);
  expect(await isLoadedAgain()).toBe(false);
  loads.came(1);
  expect(await isLoadedAgain()).toBe(true);
});

test("a form that was posted is never sent again", async () => {
  finish();
  loads.began(load);
  loads.began({ ...load, method: "POST" });
  loads.tunnelsClosed();
  expect(await loads.isToBeLoadedAgain(failure)).toBe(false);
});

test("a page that was stopped, left or closed is not loaded again", async () => {
  loads.began(load);
  loads.tunnelsClosed();
  expect(await loads.isToBeLoadedAgain({ ...failure, error: "net::ERR_ABORTED" })).toBe(false);
  expect(await loads.isToBeLoadedAgain({ ...failure, url: "https://b.test/" })).toBe(false);
  const isWaitedFor = loads.isToBeLoadedAgain(failure);
  loads.began({ ...load, url: "https://b.test/" });
  finish();
  expect(await isWaitedFor).toBe(false);
  const isOpen = loads.isToBeLoadedAgain({ ...failure, url: "https://b.test/" });
  loads.tabRemoved(1);
  expect(await isOpen).toBe(false);
});
