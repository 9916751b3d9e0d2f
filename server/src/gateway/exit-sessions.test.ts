import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { describe, expect, test } from "vitest";
import { ExitSessions } from "./exit-sessions.ts";
import type { StickySession } from "./sticky-session.ts";

const MINUTE = 60_000;
const key = Buffer.alloc(32, 1);
const wish = (id: string, country = "de"): GatewayUsername => ({
  credential: "atl_a",
  exit: { country },
  session: { id, lifetimeMinutes: 10, mode: "flex" },
});

function of(sessions: ExitSessions, ...asked: Parameters<ExitSessions["of"]>): StickySession | undefined {
  const session = sessions.of(...asked);
  if (session instanceof Promise) throw new Error("There is nothing to wait for.");
  return session;
}

test("a session keeps its key for as long as it lives, and then begins anew under another", () => {
  let now = 0;
  const sessions = new ExitSessions({ clock: () => now, key });
  const first = of(sessions, "a", wish("x"));
  expect(first?.expiresAt).toBe(10 * MINUTE);
  now = 10 * MINUTE - 1;
  expect(of(sessions, "a", wish("x"))).toBe(first);
  now = 10 * MINUTE;
  const second = of(sessions, "a", wish("x"));
  expect(second?.key).not.toBe(first?.key);
  expect(second?.expiresAt).toBe(20 * MINUTE);
});

test("the same wish object is not mistaken for another credential's, nor for a session that is over", () => {
  let now = 0;
  const sessions = new ExitSessions({ clock: () => now, key });
  const shared = wish("x");
  const one = of(sessions, "a", shared);
  expect(of(sessions, "b", shared)?.key).not.toBe(one?.key);
  now = 11 * MINUTE;
  expect(of(sessions, "a", shared)?.key).not.toBe(one?.key);
});

test("another id, exit or credential is another session, and a restart is not", () => {
  const sessions = new ExitSessions({ clock: () => 0, key });
  const keys = [
    of(sessions, "a", wish("x")),
    of(sessions, "a", wish("y")),
    of(sessions, "a", wish("x", "us")),
    of(sessions, "b", wish("x")),
  ].map((session) => session?.key);
  expect(new Set(keys).size).toBe(4);
  expect(of(new ExitSessions({ clock: () => 0, key }), "a", wish("x"))?.key).toBe(keys[0]);
  expect(of(sessions, "a", { credential: "a", exit: {}, session: undefined })).toBeUndefined();
});

describe("a session whose address is lost", () => {
  const moded = (mode: "flex" | "strict" | "oneip"): GatewayUsername => ({
    credential: "atl_a",
    exit: {},
    session: { id: "x", lifetimeMinutes: 10, mode },
  });

  test("has another key until it ends as it would have, and moves once however many find out", () => {
    let now = 0;
    const sessions = new ExitSessions({ clock: () => now, key });
    const wished = moded("flex");
    const first = of(sessions, "a", wished);
    if (!first) throw new Error("There is no session.");
    now = MINUTE;
    const moved = sessions.move(first);
    expect(moved.key).not.toBe(first.key);
    expect(moved.expiresAt).toBe(10 * MINUTE);
    expect(sessions.move(first)).toBe(moved);
    expect(of(sessions, "a", wished)).toBe(moved);
  });

  test("strict: fails until it ends, and the same id then begins another", () => {
    let now = 0;
    const sessions = new ExitSessions({ clock: () => now, key });
    const first = of(sessions, "a", moded("strict"));
    if (!first) throw new Error("There is no session.");
    sessions.lose(first);
    expect(of(sessions, "a", moded("strict"))?.lost).toBe(true);
    now = 10 * MINUTE;
    const second = of(sessions, "a", moded("strict"));
    expect(second?.lost).toBe(false);
    expect(second?.key).not.toBe(first.key);
  });

  test("oneip: never has another address, not after its lifetime either", () => {
    let now = 0;
    const sessions = new ExitSessions({ clock: () => now, key });
    const first = of(sessions, "a", moded("oneip"));
    if (!first) throw new Error("There is no session.");
    sessions.bind(first, "own");
    now = 11 * MINUTE;
    const second = of(sessions, "a", moded("oneip"));
    expect([second?.key, second?.upstream, second?.lost]).toEqual([first.key, "own", false]);
    if (second) sessions.lose(second);
    now = 22 * MINUTE;
    expect(of(sessions, "a", moded("oneip"))?.lost).toBe(true);
  });
});

test("no more sessions are remembered than there is room for, and none changes its address for that", () => {
  const sessions = new ExitSessions({ clock: () => 0, key, most: 100 });
  const keys = Array.from({ length: 1_000 }, (_, index) => of(sessions, "a", wish(`s${index}`))?.key);
  expect(sessions.size).toBe(100);
  expect(of(sessions, "a", wish("s0"))?.key).toBe(keys[0]);
});
