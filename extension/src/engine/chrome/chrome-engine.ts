import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { compileProxyScript, type ProxyScript, probeHost } from "@atlantic/shared/routing/pac.ts";
import { browser } from "wxt/browser";
import { gateUrl } from "../../gate-messages.ts";
import type { Engine } from "../engine.ts";
import { FIRST_FILTER_RULE } from "../filter-rules.ts";
import type { Guard } from "../guard.ts";
import { RequestFilter } from "../request-filter.ts";
import { setPrivacy } from "../set-privacy.ts";
import { gateRules, sessionRules } from "./session-rules.ts";

const CONFIRM_ATTEMPTS = 40;
const CONFIRM_PAUSE_MS = 5;
/** A probe that is led nowhere is refused at once, so only a busy machine takes long: each waits longer than the last. */
const CONFIRM_TIMEOUT_MS = 1_000;
const CONFIRM_LONGEST_MS = 10_000;

/** Chrome: a proxy script, session rules, and no proxy API that knows tabs. */
export class ChromeEngine implements Engine {
  readonly #filter = new RequestFilter();
  #guard = "";
  #hasGate: boolean | undefined;

  async leadTo(script: ProxyScript | null, confirm: boolean): Promise<void> {
    if (!script) {
      await browser.proxy.settings.clear({ scope: "regular" });
      return;
    }
    const pacScript = { data: compileProxyScript(script), mandatory: true };
    await browser.proxy.settings.set({ value: { mode: "pac_script", pacScript }, scope: "regular" });
    if (confirm) await confirmScript(script.generation);
  }

  async setGuard(guard: Guard | null): Promise<void> {
    // Closing comes before opening: the gate is there before any rule that lets something past it.
    if (guard) await this.#setGate(true);
    const wanted = guard ? sessionRules(guard) : [];
    const fingerprint = JSON.stringify(wanted);
    if (fingerprint !== this.#guard) {
      const before = await browser.declarativeNetRequest.getSessionRules();
      await browser.declarativeNetRequest.updateSessionRules({
        removeRuleIds: before.map(({ id }) => id),
        addRules: wanted,
      });
      this.#guard = fingerprint;
    }
    if (!guard) await this.#setGate(false);
  }

  setFilter(filter: BrowserFilter): Promise<string | null> {
    return this.#filter.set(filter);
  }

  readonly setPrivacy = setPrivacy;

  async conflict(): Promise<string | null> {
    const settings = [
      { name: "the proxy setting", ...(await browser.proxy.settings.get({})) },
      {
        name: "the WebRTC setting",
        ...(await browser.privacy.network.webRTCIPHandlingPolicy.get({})),
      },
    ];
    for (const { name, levelOfControl } of settings) {
      if (levelOfControl === "controlled_by_other_extensions") {
        return `Another extension holds ${name}. Switch that extension off at chrome://extensions, then try again.`;
      }
      if (levelOfControl === "not_controllable") {
        return `An administrator holds ${name} of this browser. Ask them to leave it to Atlantic Proxy.`;
      }
    }
    return null;
  }

  async #setGate(on: boolean): Promise<void> {
    if (this.#hasGate === on) return;
    const before = await browser.declarativeNetRequest.getDynamicRules();
    await browser.declarativeNetRequest.updateDynamicRules({
      removeRuleIds: before.map(({ id }) => id).filter((id) => id < FIRST_FILTER_RULE),
      addRules: on ? gateRules(gateUrl()) : [],
    });
    this.#hasGate = on;
  }
}

/**
 * Chrome stores a proxy script at once and follows it a little later. Only the script of this generation leads the
 * probe to the companion, so an answer, and be it a refusal, is the proof that requests follow it now.
 * @throws Error when no answer came: then nothing may be let past the gate.
 */
async function confirmScript(generation: number): Promise<void> {
  for (let attempt = 0; attempt < CONFIRM_ATTEMPTS; attempt += 1) {
    const answered = await fetch(`http://${probeHost(generation)}/`, {
      cache: "no-store",
      signal: AbortSignal.timeout(Math.min(CONFIRM_TIMEOUT_MS * 2 ** attempt, CONFIRM_LONGEST_MS)),
    }).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, CONFIRM_PAUSE_MS * (1 + attempt)));
  }
  throw new Error("Chrome does not follow the new proxy script.");
}
