import { setTimeout as delay } from "node:timers/promises";
import type { Challenge } from "@atlantic/shared/control/attribution.ts";
import type { BrowserPlan } from "@atlantic/shared/control/messages.ts";
import type { Browser } from "../browsers/browser.ts";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import type { Pending } from "../browsers/pending-requests.ts";
import { Soundings } from "../browsers/soundings.ts";
import { type GateVerdict, judgeGate } from "./challenge-gate.ts";
import type { HelperRequests } from "./helper-requests.ts";
import type { Target } from "./open-flows.ts";

/** The notice of a request comes shortly after the request for its tunnel. When it does not, the browsers are asked. */
const NOTICE_WAIT_MS = 1_500;

/** While no browser is connected, the extension may be waking up, and its relay be starting on a busy machine. */
const WAKE_WAIT_MS = 15_000;

/** The longest wait for browsers that do not answer. */
const SILENCE_MS = 60_000;

/** How long a tunnel waits for a helper. Most such requests move onto the helper's own tunnel long before. */
const HELPER_WAIT_MS = 10_000;

/** A request that no helper's tunnel has come for after this long will not get one. */
const GIVE_UP_MS = 4_000;

/** Where images wait too, one challenge for a host is out at a time, for at most this long. */
const ONE_CHALLENGE_MS = 400;

/** Time for another look when nothing was told meanwhile. */
const LOOK_MS = 50;

interface Waiting {
  readonly browser: Browser;
  readonly plan: BrowserPlan;
  readonly pending: readonly Pending[];
}

/** Decides when a challenge may go out: never where the person would see a dialog, never where an image would die of it. */
export class ChallengeTiming {
  readonly #registry: BrowserRegistry;
  readonly #helpers: HelperRequests;
  readonly #wakeWaitMs: number;
  readonly #delicate = new Map<string, number>();

  constructor(registry: BrowserRegistry, helpers: HelperRequests, wakeWaitMs: number = WAKE_WAIT_MS) {
    this.#registry = registry;
    this.#helpers = helpers;
    this.#wakeWaitMs = wakeWaitMs;
  }

  /**
   * Waits for the moment at which a challenge for this target is safe.
   * @param known the browser that the request's credential names, when it names one
   * @returns the kind of challenge, or `undefined` when the connection must be closed instead
   */
  async next(
    target: Target,
    known: Browser | undefined,
    signal: AbortSignal,
  ): Promise<Challenge["kind"] | undefined> {
    const start = performance.now();
    const soundings = new Soundings(this.#registry);
    let patience = NOTICE_WAIT_MS;
    while (!signal.aborted) {
      const now = performance.now();
      const waiting = this.#waitingFor(target, known, now);
      const verdict = judgeAll(waiting);
      if (verdict === "open" && this.#mayChallenge(target, waiting, now)) return challengeKind(waiting);
      if (verdict === "helpless") this.#askForHelpers(target, waiting, now);
      const waited = now - start;
      if (this.#registry.all().length === 0) patience = this.#wakeWaitMs;
      const isOver =
        verdict === "unseen"
          ? waited >= SILENCE_MS || (waited >= patience && soundings.haveAnswered(this.#registry.all()))
          : waited >= HELPER_WAIT_MS;
      if (isOver) return undefined;
      await this.#registry.nextChange(LOOK_MS, signal);
      await delay(0);
    }
    return undefined;
  }

  /** A challenge for this target was answered, or its connection ended. */
  challengeOver(target: Target): void {
    if (this.#delicate.delete(keyOf(target))) this.#registry.changed();
  }

  #waitingFor(target: Target, known: Browser | undefined, now: number): Waiting[] {
    const browsers = known ? [known] : this.#registry.all();
    return browsers.flatMap((browser) => {
      const { plan } = browser;
      const pending = browser.pending.at(target.host, target.port, now);
      return plan && pending.length > 0
        ? [{ browser, plan, pending: this.#asJudged(browser, plan, pending, now) }]
        : [];
    });
  }

  /**
   * Where each request has a tunnel of its own, a challenge fails only the request that nobody may answer for, and no
   * helper's tunnel would serve it: waiting helps nobody. Nor does it for a request that no helper came for.
   */
  #asJudged(
    browser: Browser,
    plan: BrowserPlan,
    pending: readonly Pending[],
    now: number,
  ): readonly Pending[] {
    const isAlone = plan.mode.kind === "attributed" && plan.mode.perRequest;
    return pending.map((request) =>
      isAlone || this.#isGivenUp(browser, request, now) ? { ...request, challengeable: true } : request,
    );
  }

  /** A page may forbid the helper, and some requests belong to no page: others must not wait for them for long. */
  #isGivenUp(browser: Browser, request: Pending, now: number): boolean {
    if (request.tabId < 0) return true;
    return now - request.since > GIVE_UP_MS && !this.#helpers.hasOpened(browser, request);
  }

  #askForHelpers(target: Target, waiting: readonly Waiting[], now: number): void {
    for (const { browser, pending } of waiting) {
      const verdict = judgeGate(pending);
      if (verdict.kind === "helpless") this.#helpers.ask(browser, verdict.frames, target, now);
    }
  }

  /** Two challenges at once might both need the one request that can answer. */
  #mayChallenge(target: Target, waiting: readonly Waiting[], now: number): boolean {
    const isDelicate = waiting.some(({ pending }) => pending.some((request) => !request.challengeable));
    if (!isDelicate) return true;
    const out = this.#delicate.get(keyOf(target));
    if (out !== undefined && now - out < ONE_CHALLENGE_MS) return false;
    this.#delicate.set(keyOf(target), now);
    return true;
  }
}

function judgeAll(waiting: readonly Waiting[]): GateVerdict["kind"] {
  const verdicts = waiting.map(({ pending }) => judgeGate(pending).kind);
  if (verdicts.includes("helpless")) return "helpless";
  return verdicts.includes("open") ? "open" : "unseen";
}

/** Several browsers may wait for the same host: an answer that holds once is right for all of them. */
function challengeKind(waiting: readonly Waiting[]): Challenge["kind"] {
  return waiting.every(({ plan }) => plan.mode.kind === "steady") ? "steady" : "once";
}

function keyOf({ host, port }: Target): string {
  return `${host}:${port}`;
}
