import { type ProtectionView, protectionStates } from "@atlantic/shared/control/protection.ts";
import { describe, expect, it } from "vitest";
import { computerBadge, computerIcon } from "./computer-badge.ts";

const view: ProtectionView = {
  state: "connected",
  since: 0,
  lockdown: false,
  allowLan: false,
  upstream: null,
  problem: null,
  blockingFailed: false,
  holding: null,
  verdict: null,
  breaches: 0,
  blockedNames: 0,
};

describe("the toolbar and the whole computer", () => {
  it("marks every tab with a sign and a sentence when nothing leaves, or when blocking failed", () => {
    for (const state of protectionStates) {
      const isHeld = state === "error" || state === "locked";
      expect(computerBadge({ ...view, state })?.text).toBe(isHeld ? "!" : undefined);
      const failed = computerBadge({ ...view, state, blockingFailed: true });
      expect(failed).toMatchObject({ text: "!", tone: "blocked" });
      expect(failed?.title).toMatch(/^Blocking failed\. .*own address/);
    }
    expect(computerBadge(null)).toBeNull();
  });

  it("shows by the icon's shape what is blocked and what is under way", () => {
    const icons = protectionStates.map((state) => [state, computerIcon({ ...view, state })]);
    expect(Object.fromEntries(icons)).toEqual({
      open: null,
      connecting: "connecting",
      connected: null,
      failover: "connecting",
      disconnecting: "connecting",
      error: "blocked",
      locked: "blocked",
    });
    expect(computerIcon(null)).toBeNull();
  });
});
