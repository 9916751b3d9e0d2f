import { type ProtectionView, protectionStates } from "@atlantic/shared/control/protection.ts";
import { describe, expect, it } from "vitest";
import { badFindings, protectionWords } from "./protectionWords.ts";

const view: ProtectionView = {
  state: "connected",
  since: 0,
  lockdown: false,
  allowLan: false,
  upstream: "gateway de",
  problem: null,
  blockingFailed: false,
  holding: "owned",
  verdict: null,
  breaches: 0,
  blockedNames: 0,
};

describe("the words for the protection of the whole computer", () => {
  it("differ from state to state without any colour", () => {
    const words = protectionStates.map((state) => protectionWords({ ...view, state }));
    expect(new Set(words.map(({ title }) => title)).size).toBe(protectionStates.length - 1);
    expect(new Set(words.map(({ word }) => word)).size).toBe(protectionStates.length);
    for (const { sentence } of words) expect(sentence).toMatch(/^[A-Z].+\.$/);
  });

  it("say before anything else that blocking failed, in whatever state that is", () => {
    for (const state of protectionStates) {
      const words = protectionWords({ ...view, state, blockingFailed: true, problem: "nft is missing." });
      expect(words).toMatchObject({ tone: "blocked", word: "Not protected", isHeld: true });
      expect(words.sentence).toMatch(
        /may see this computer's own address.*nft is missing\. Take the computer/,
      );
    }
  });

  it("hold everything else back exactly when nothing leaves", () => {
    const held = protectionStates.filter((state) => protectionWords({ ...view, state }).isHeld);
    expect(held).toEqual(["error", "locked"]);
  });

  it("tell a leak from a failure", () => {
    const bad = { check: "canary-udp4-53", good: false, detail: "A query to 1.1.1.1 got out." };
    const leak: ProtectionView = {
      ...view,
      state: "error",
      verdict: { at: 0, kept: false, findings: [{ ...bad, check: "rules", good: true }, bad] },
    };
    expect(protectionWords(leak).title).toBe("A leak was found");
    expect(badFindings(leak)).toEqual([bad]);
    expect(protectionWords({ ...leak, verdict: null }).title).toBe("Nothing leaves this computer");
  });

  it("say plainly that without privilege there is no more than the browser, and no kill switch", () => {
    expect(protectionWords(null).sentence).toMatch(
      /carries this browser\. Other programs go their own way.*no kill/,
    );
    expect(protectionWords(null, "Berlin, Germany").sentence).toContain("leave through Berlin, Germany");
  });
});
