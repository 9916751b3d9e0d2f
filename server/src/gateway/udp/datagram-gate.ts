import type { Flow } from "../flow.ts";

const MAX_WAITING_BYTES = 262_144;

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * Lets a flow's datagrams of one direction through, in order, as its allowance and its rate permit. What waits is
 * bounded: beyond that datagrams are dropped, as any router would.
 */
export class DatagramGate {
  readonly #flow: Flow;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #busy = false;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  /** Calls `go` now or later, when these bytes were taken from the limits; or never. */
  pass(bytes: number, go: () => void): void {
    if (this.#busy) {
      if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) return;
      this.#waiting.push({ bytes, go });
      this.#waitingBytes += bytes;
      return;
    }
    const taken = this.#take(bytes);
    if (taken === true) go();
    else void this.#serve({ bytes, go }, taken);
  }

  #take(bytes: number): true | Promise<boolean> {
    const { allowance, rate } = this.#flow.limits;
    const granted = allowance.take(bytes);
    if (granted !== true) {
      return granted.then(async (may) => {
        if (may) await rate.take(bytes);
        return may;
      });
    }
    const turn = rate.take(bytes);
    return turn === true ? true : turn.then(() => true);
  }

  async #serve(first: Waiting, taken: true | Promise<boolean>): Promise<void> {
    this.#busy = true;
    let next: Waiting | undefined = first;
    let granted = taken;
    while (next !== undefined) {
      if (granted !== true && !(await granted)) {
        this.#waiting.length = 0;
        this.#flow.cut("quota_exhausted");
        return;
      }
      next.go();
      next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingBytes -= next.bytes;
      granted = this.#take(next.bytes);
    }
    this.#busy = false;
  }
}
