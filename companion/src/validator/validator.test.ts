import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Canary } from "@atlantic/native";
import type { Breach, Verdict } from "@atlantic/shared/control/protection.ts";
import { expect, test } from "vitest";
import { BreachLog } from "./breach-log.ts";
import { checkCanaries, type SendCanaries } from "./check-canaries.ts";
import { checkExit } from "./check-exit.ts";
import { checkRules } from "./check-rules.ts";
import type { Situation } from "./situation.ts";
import { Validator } from "./validator.ts";

const intact = { generation: 7, digest: "ab".repeat(32), intact: true, blocking: true };
const BLOCKED: Situation = { kind: "blocked" };

/** Canaries as a link that lets these kinds through would have them. */
const letting =
  (...kinds: Canary["kind"][]): SendCanaries =>
  async (link, canaries) =>
    canaries.map(({ kind }) => ({ escaped: link === "lo" || kinds.includes(kind), refusal: null }));

function validator(situation: Situation, send: SendCanaries, inspect = async () => intact) {
  const verdicts: Verdict[] = [];
  const made = new Validator({
    firewall: { inspect },
    situation: () => situation,
    concluded: (verdict) => verdicts.push(verdict),
    canaries: ["192.0.2.1"],
    name: null,
    addressCheckUrl: null,
    everyMs: 3_600_000,
    jitter: false,
    send,
  });
  return { made, verdicts };
}

const bad = (verdict: Verdict | undefined) =>
  verdict?.findings.flatMap(({ good, check }) => (good ? [] : [check]));

test("rules in place and canaries refused: what was promised is kept", async () => {
  const { made, verdicts } = validator(BLOCKED, letting());
  expect((await made.look())?.kept).toBe(true);
  expect(verdicts).toHaveLength(1);
  made.stop();
});

test("nothing is promised of an open machine, and nothing is sent from it", async () => {
  const { made } = validator({ kind: "open" }, () => Promise.reject(new Error("was sent")));
  expect(await made.look()).toBeNull();
  made.stop();
});

test("rules that others changed, that are gone, or that cannot be seen are a breach", async () => {
  for (const state of [
    { ...intact, intact: false },
    { ...intact, blocking: false },
  ]) {
    expect((await checkRules({ inspect: async () => state })).good).toBe(false);
  }
  const finding = await checkRules({ inspect: () => Promise.reject(new Error("no holder")) });
  expect(finding).toMatchObject({ good: false });
  expect(finding.detail).toContain("no holder");
});

test("a canary that is not refused is a breach that names it", async () => {
  for (const kind of ["udp", "tcp", "raw"] as const) {
    const findings = await checkCanaries(["192.0.2.1"], null, letting(kind));
    const links = findings.filter(({ check }) => check.startsWith("canaries-"));
    for (const { good, detail } of links) {
      expect(good).toBe(false);
      expect(detail).toContain(`${kind} to 192.0.2.1`);
    }
  }
});

test("watching that sees nothing where everything gets out is a breach of its own", async () => {
  const blind: SendCanaries = async (_, canaries) => canaries.map(() => ({ escaped: false, refusal: null }));
  const { made } = validator(BLOCKED, blind);
  expect(bad((await made.look()) ?? undefined)).toEqual(["canary-control"]);
  made.stop();
});

test("an error is a breach", async () => {
  const { made } = validator(BLOCKED, () => Promise.reject(new Error("EPERM")));
  const verdict = await made.look();
  expect(verdict?.kept).toBe(false);
  expect(bad(verdict ?? undefined)).toContain("canary-control");
  made.stop();
});

test("an exit that cannot be asked is a breach where it is to be looked at", async () => {
  const dial = () => Promise.reject(new Error("the upstream is gone"));
  const asked = { url: "http://check.example/", dial, exit: {}, padded: false };
  expect((await checkExit(asked)).finding).toMatchObject({ good: false });
  expect((await checkExit({ ...asked, url: null })).finding).toMatchObject({ good: true });
});

test("evidence is kept on disk, newest first and bounded", () => {
  const directory = mkdtempSync(join(tmpdir(), "atl-breaches-"));
  try {
    const path = join(directory, "breaches.json");
    const log = new BreachLog(path);
    const breach: Omit<Breach, "at"> = {
      source: "validator",
      state: "connected",
      text: "out",
      findings: [],
      openMs: null,
    };
    for (let at = 0; at < 130; at++) log.add({ ...breach, at });
    const again = new BreachLog(path);
    expect(again.all).toHaveLength(100);
    expect(again.all[0]?.at).toBe(129);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
