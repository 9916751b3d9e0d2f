import type { ProtectionFinding, Verdict } from "@atlantic/shared/control/protection.ts";
import type { Firewall } from "../firewall/firewall.ts";
import { checkCanaries, type SendCanaries } from "./check-canaries.ts";
import { checkExit } from "./check-exit.ts";
import { checkNames } from "./check-names.ts";
import { checkRules } from "./check-rules.ts";
import type { Candidate, Situation } from "./situation.ts";

export interface ValidatorOptions {
  readonly firewall: Pick<Firewall, "inspect">;
  readonly situation: () => Situation;
  /** Told of every verdict, with the situation that it is about; the situation may be over by then. */
  readonly concluded: (verdict: Verdict, about: Situation) => void;
  /** Where canaries are sent to. */
  readonly canaries: readonly string[];
  /** A name that the resolver must answer. */
  readonly name: string | null;
  readonly addressCheckUrl: string | null;
  readonly everyMs: number;
  /** Looks at random times, with requests of random length. */
  readonly jitter: boolean;
  readonly send?: SendCanaries;
}

/** Looks again and again whether what was promised holds. What it cannot find out counts as not held. */
export class Validator {
  readonly #options: ValidatorOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<Verdict | null> | null = null;
  /** The exit's address when it was last seen, and through which upstream. */
  #seen: { readonly upstream: string; readonly address: string } | null = null;
  #lost: string | null = null;
  #stopped = false;

  constructor(options: ValidatorOptions) {
    this.#options = options;
  }

  /** That a sticky exit was lost, for people; null when it was not. */
  get lostExit(): string | null {
    return this.#lost;
  }

  start(): void {
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Forgets which address was seen: another one is wanted, or none. */
  forget(): void {
    this.#seen = null;
    this.#lost = null;
  }

  /** Looks now; null where nothing is promised. Never rejects. */
  look(): Promise<Verdict | null> {
    this.#running ??= this.#look().finally(() => {
      this.#running = null;
      this.#later();
    });
    return this.#running;
  }

  async #look(): Promise<Verdict | null> {
    const about = this.#options.situation();
    if (about.kind === "open") return null;
    const findings = await this.#findings(about);
    const verdict = { at: Date.now(), kept: findings.every(({ good }) => good), findings };
    this.#options.concluded(verdict, about);
    return verdict;
  }

  /** What is found while nothing but upstreams may be reached, before an upstream carries anything. Never rejects. */
  async findingsBefore(candidate: Candidate): Promise<ProtectionFinding[]> {
    const found = await Promise.all([this.#findings({ kind: "blocked" }), this.#exit(candidate)]);
    return found.flat();
  }

  /** All checks side by side. */
  async #findings(about: Exclude<Situation, { kind: "open" }>): Promise<ProtectionFinding[]> {
    const { firewall, canaries, name, send } = this.#options;
    const link = about.kind === "connected" ? about.link : null;
    const found = await Promise.all([
      checkRules(firewall),
      isMostlyDirect(about) ? [ofDirect()] : checkCanaries(canaries, link?.name ?? null, send),
      about.kind === "connected" ? this.#exit(about) : [],
      link ? checkNames(name, link.dns4) : [],
    ]);
    return found.flat();
  }

  async #exit({ upstream, dial, exit }: Candidate): Promise<ProtectionFinding> {
    const { addressCheckUrl: url, jitter: padded } = this.#options;
    const { finding, address } = await checkExit({ url, dial, exit, padded });
    if (address !== null && finding.good) this.#compare(upstream, address);
    return finding;
  }

  #compare(upstream: string, address: string): void {
    const before = this.#seen;
    this.#seen = { upstream, address };
    if (before && before.address !== address) {
      this.#lost = `The exit has another address: ${address} through ${upstream}, ${before.address} through ${before.upstream} before.`;
    }
  }

  #later(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const { everyMs, jitter } = this.#options;
    this.#timer = setTimeout(() => void this.look(), jitter ? everyMs * (0.5 + Math.random()) : everyMs);
    this.#timer.unref();
  }
}

/** Only some traffic is led into the tunnel: packets that go directly are no leak. */
function isMostlyDirect(about: Situation): boolean {
  return about.kind === "connected" && about.split?.mode === "only";
}

function ofDirect(): ProtectionFinding {
  return {
    check: "canaries",
    good: true,
    detail: "Not sent: only what is chosen goes through the tunnel, the rest goes directly.",
  };
}
