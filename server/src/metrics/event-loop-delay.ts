import type { MetricFamily, Sample } from "./metric-family.ts";

/** How often it is looked: two wake-ups a second cost nothing that can be measured. */
const LOOK_MS = 500;
const BOUNDS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

/**
 * How long what is ready has to wait for this process's thread: how late a timer is that comes twice a second. A
 * histogram, so that nothing is forgotten between two scrapes and several scrapers do not disturb one another.
 */
export class EventLoopDelay {
  readonly #counts = BOUNDS_SECONDS.map(() => 0);
  readonly #timer: NodeJS.Timeout;
  #looks = 0;
  #sumSeconds = 0;
  #lookedAt = performance.now();

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  #look(): void {
    const now = performance.now();
    this.add(Math.max(0, now - this.#lookedAt - LOOK_MS) / 1_000);
    this.#lookedAt = now;
  }

  /** Takes note of one wait, in seconds. */
  add(seconds: number): void {
    this.#looks += 1;
    this.#sumSeconds += seconds;
    // A bucket holds what the smaller ones hold, too.
    for (const [at, bound] of BOUNDS_SECONDS.entries()) {
      if (seconds <= bound) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    }
  }

  read(): MetricFamily {
    const bucket = (le: string, value: number): Sample => ({ suffix: "_bucket", labels: { le }, value });
    return {
      name: "atlantic_event_loop_delay_seconds",
      type: "histogram",
      help: "How long what is ready waits for the process's thread, looked at twice a second.",
      samples: [
        ...BOUNDS_SECONDS.map((bound, at) => bucket(String(bound), this.#counts[at] ?? 0)),
        bucket("+Inf", this.#looks),
        { suffix: "_sum", labels: {}, value: this.#sumSeconds },
        { suffix: "_count", labels: {}, value: this.#looks },
      ],
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
