import type { CheckedTarget } from "../target-guard.ts";

type Check = (host: string, port: number) => CheckedTarget | Promise<CheckedTarget>;

interface Known {
  readonly target: CheckedTarget | undefined;
  readonly until: number;
}

const MAX_TARGETS = 1_024;
const MAX_UNDER_WAY = 64;
/** How long a name's addresses are believed, and how long a refusal is. */
const GOOD_MS = 60_000;
const BAD_MS = 5_000;

/** Says for each datagram whether its target may be reached: every target is checked, and asked about once a minute. */
export class TargetChecks {
  readonly #check: Check;
  readonly #now: () => number;
  readonly #epoch: () => number;
  #knownAt = 0;
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<CheckedTarget | undefined>>();

  /** @param epoch moves when somebody's limits change: what was decided before is asked anew */
  constructor(check: Check, now: () => number, epoch: () => number) {
    this.#check = check;
    this.#now = now;
    this.#epoch = epoch;
    this.#knownAt = epoch();
  }

  /** The target with its addresses; undefined where it must not be reached, or too many are being looked up. */
  of(host: string, port: number): CheckedTarget | undefined | Promise<CheckedTarget | undefined> {
    const epoch = this.#epoch();
    if (epoch !== this.#knownAt) this.#known.clear();
    this.#knownAt = epoch;
    const name = `${host} ${port}`;
    const known = this.#known.get(name);
    if (known && known.until > this.#now()) return known.target;
    return this.#underWay.get(name) ?? this.#ask(name, host, port);
  }

  #ask(
    name: string,
    host: string,
    port: number,
  ): CheckedTarget | undefined | Promise<CheckedTarget | undefined> {
    if (this.#underWay.size >= MAX_UNDER_WAY) return undefined;
    try {
      const answer = this.#check(host, port);
      if (!(answer instanceof Promise)) return this.#remember(name, answer);
      const settled = answer.then(
        (target) => this.#remember(name, target),
        () => this.#remember(name, undefined),
      );
      this.#underWay.set(name, settled);
      return settled.finally(() => this.#underWay.delete(name));
    } catch {
      return this.#remember(name, undefined);
    }
  }

  #remember(name: string, target: CheckedTarget | undefined): CheckedTarget | undefined {
    this.#known.delete(name);
    this.#known.set(name, { target, until: this.#now() + (target ? GOOD_MS : BAD_MS) });
    if (this.#known.size > MAX_TARGETS) {
      const oldest = this.#known.keys().next().value;
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    return target;
  }
}
