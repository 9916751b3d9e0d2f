import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { expect, test } from "vitest";
import { ExitSessions } from "./exit-sessions.ts";

const MINUTE = 60_000;
const key = Buffer.alloc(32, 1);
const wish = (id: string, country = "de"): GatewayUsername => ({
  credential: "atl_a",
  exit: { country },
  session: { id, lifetimeMinutes: 10, mode: "flex" },
});

test("a session keeps its key for as long as it lives, and then begins anew under another", () => {
  let now = 0;
  const sessions = new ExitSessions({ clock: () => now, key });
  const first = sessions.of("a", wish("x"));
  expect(first?.expiresAt).toBe(10 * MINUTE);
  now = 10 * MINUTE - 1;
  expect(sessions.of("a", wish("x"))).toBe(first);
  now = 10 * MINUTE;
  const second = sessions.of("a", wish("x"));
  expect(second?.key).not.toBe(first?.key);
  expect(second?.expiresAt).toBe(20 * MINUTE);
});

test("the same wish object is not mistaken for another credential's, nor for a session that is over", () => {
  let now = 0;
  const sessions = new ExitSessions({ clock: () => now, key });
  const shared = wish("x");
  const one = sessions.of("a", shared);
  expect(sessions.of("b", shared)?.key).not.toBe(one?.key);
  now = 11 * MINUTE;
  expect(sessions.of("a", shared)?.key).not.toBe(one?.key);
});

test("another id, exit or credential is another session, and a restart is not", () => {
  const sessions = new ExitSessions({ clock: () => 0, key });
  const keys = [
    sessions.of("a", wish("x")),
    sessions.of("a", wish("y")),
    sessions.of("a", wish("x", "us")),
    sessions.of("b", wish("x")),
  ].map((session) => session?.key);
  expect(new Set(keys).size).toBe(4);
  expect(new ExitSessions({ clock: () => 0, key }).of("a", wish("x"))?.key).toBe(keys[0]);
  expect(sessions.of("a", { credential: "a", exit: {}, session: undefined })).toBeUndefined();
});
