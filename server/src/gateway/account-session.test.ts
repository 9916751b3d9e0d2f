import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { expect, test } from "vitest";
import { wishOf } from "./account-session.ts";
import type { Identity } from "./authenticator.ts";
import { NO_SETTINGS } from "./limits/credential-settings.ts";

const plain: GatewayUsername = { credential: "atl_a", exit: { country: "de" }, session: undefined };
const identity = (
  wish: GatewayUsername,
  sessions: { enabled: boolean; minutes: number; mode: "flex" | "strict" },
): Identity => ({
  wish,
  credential: { id: "atl_a", userId: "u", settings: { ...NO_SETTINGS, sessions } },
});

test("the account's own session holds where the user name asks for none, as the settings are now", () => {
  const on = { enabled: true, minutes: 30, mode: "strict" } as const;
  const wished = wishOf(identity(plain, on));
  expect(wished).toEqual({ ...plain, session: { id: "account", lifetimeMinutes: 30, mode: "strict" } });
  expect(wishOf(identity(plain, { ...on }))).toBe(wished);
  expect(wishOf(identity(plain, { ...on, minutes: 5 })).session?.lifetimeMinutes).toBe(5);
  expect(wishOf(identity(plain, { ...on, enabled: false }))).toBe(plain);
});

test("a session of the user name's own goes before", () => {
  const own = { ...plain, session: { id: "x", lifetimeMinutes: 10, mode: "flex" as const } };
  expect(wishOf(identity(own, { enabled: true, minutes: 30, mode: "flex" }))).toBe(own);
});
