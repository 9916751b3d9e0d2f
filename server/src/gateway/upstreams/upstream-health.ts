import { CircuitState, ConsecutiveBreaker, SamplingBreaker } from "cockatiel";

/** When an upstream is left alone, and for how long. */
export interface BreakerSettings {
  /** So many failures in a row are enough. */
  readonly failures: number;
  /** Or this share of the attempts, 0 to 1, among at least ten in the window. */
  readonly share: number;
  readonly windowSeconds: number;
  /** How long the first rest is; each that follows without a success is twice as long, up to the longest. */
  readonly restSeconds: number;
  readonly longestRestSeconds: number;
}

export const DEFAULT_BREAKER: BreakerSettings = {
  failures: 5,
  share: 0.5,
  windowSeconds: 30,
  restSeconds: 5,
  longestRestSeconds: 120,
};

/** A trial flow that never says how it went must not keep the upstream closed for ever. */
const TRIAL_MS = 15_000;
const FEWEST_IN_WINDOW = 10;

/**
 * What a flow tells of an upstream. ill: it failed. doubtful: it, or the target, so that only many such count.
 * well: it did its part. nothing: the flow was given up before it could tell.
 */
export type Finding = "ill" | "doubtful" | "well" | "nothing";

/**
 * A circuit breaker over what flows tell of an upstream. Its windows are cockatiel's; the policy around them there
 * makes promises for every call, which flows that find the circuit closed must not pay for.
 */
export class UpstreamHealth {
  readonly #settings: BreakerSettings;
  readonly #probe: () => Promise<unknown>;
  readonly #clock: () => number;
  #inARow: ConsecutiveBreaker;
  #sampled: SamplingBreaker;
  #state: CircuitState = CircuitState.Closed;
  #rests = 0;
  #restsUntil = 0;
  #trialUntil = 0;
  #probing = false;

  /** @param parts.probe looks whether the upstream can be reached at all, asking nothing of it */
  constructor(parts: { settings?: BreakerSettings; probe: () => Promise<unknown>; clock: () => number }) {
    this.#settings = parts.settings ?? DEFAULT_BREAKER;
    this.#probe = parts.probe;
    this.#clock = parts.clock;
    this.#inARow = new ConsecutiveBreaker(this.#settings.failures);
    this.#sampled = this.#newSample();
  }

  get state(): "up" | "resting" | "on trial" {
    if (this.#state === CircuitState.Closed) return "up";
    return this.#state === CircuitState.Open ? "resting" : "on trial";
  }

  /**
   * Whether a flow may be sent there now. While it is on trial one flow at a time may; while it rests, asking is what
   * makes it be looked at again once the rest is over.
   */
  mayTry(): boolean {
    if (this.#state === CircuitState.Closed) return true;
    const now = this.#clock();
    if (this.#state === CircuitState.Open) {
      if (now >= this.#restsUntil) this.#look();
      return false;
    }
    if (now < this.#trialUntil) return false;
    this.#trialUntil = now + TRIAL_MS;
    return true;
  }

  /** Takes note of how a flow fared there. */
  found(finding: Finding): void {
    if (finding === "well") this.#well();
    else if (finding === "nothing") this.#trialUntil = 0;
    else this.#failed(finding);
  }

  #well(): void {
    this.#inARow.success();
    this.#sampled.success(this.#state);
    if (this.#state === CircuitState.Closed) return;
    this.#state = CircuitState.Closed;
    this.#rests = 0;
  }

  #failed(finding: "ill" | "doubtful"): void {
    const sampledOut = this.#sampled.failure(this.#state);
    const enough = (finding === "ill" && this.#inARow.failure()) || sampledOut;
    // A flow that began before the rest did says nothing new.
    if (enough && this.#state !== CircuitState.Open) this.#rest();
  }

  #rest(): void {
    const { restSeconds, longestRestSeconds } = this.#settings;
    this.#state = CircuitState.Open;
    this.#restsUntil = this.#clock() + Math.min(restSeconds * 2 ** this.#rests, longestRestSeconds) * 1_000;
    this.#rests += 1;
    this.#inARow = new ConsecutiveBreaker(this.#settings.failures);
    this.#sampled = this.#newSample();
  }

  #look(): void {
    if (this.#probing) return;
    this.#probing = true;
    this.#probe().then(
      () => this.#looked(true),
      () => this.#looked(false),
    );
  }

  #looked(reached: boolean): void {
    this.#probing = false;
    if (this.#state !== CircuitState.Open) return;
    if (reached) {
      this.#state = CircuitState.HalfOpen;
      this.#trialUntil = 0;
    } else this.#rest();
  }

  #newSample(): SamplingBreaker {
    const { share, windowSeconds } = this.#settings;
    return new SamplingBreaker({
      threshold: share,
      duration: windowSeconds * 1_000,
      minimumRps: FEWEST_IN_WINDOW / windowSeconds,
    });
  }
}
