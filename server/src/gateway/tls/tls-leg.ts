import type { Flow } from "../flow.ts";
import type { FlowOpening } from "../flow-opener.ts";

/** What a TLS connection has moved so far, in bytes. */
export interface LegCounters {
  /** Both directions of the TCP connection, as its socket counts them. */
  wire(): number;
  /** Of these, what was carried: the decrypted stream, or with HTTP/2 the content of its DATA frames. */
  carried(): number;
}

/** The longest record of TLS (RFC 8446 §5.2): until it is whole, nobody knows what is in it. */
const RECORD_BYTES = 16_645;

/**
 * What one client's TLS connection costs beyond what it carries: handshake, records and, with HTTP/2, frames. It is
 * shared out to the flows of the connection, each in proportion to what it moved since the last time; while none moves
 * anything, to all alike. What comes while no flow is open waits for the next one. So the shares of all flows and what
 * still waits are together exactly the difference of the two counters.
 */
export class TlsLeg {
  readonly #counters: LegCounters;
  /** What each open flow had moved when it was last shared. */
  readonly #open = new Map<Flow, number>();
  #shared = 0;
  #hadFlows = false;

  constructor(counters: LegCounters) {
    this.#counters = counters;
  }

  /** What the connection has cost so far. */
  get overhead(): number {
    return this.#counters.wire() - this.#counters.carried();
  }

  /** What no flow has been given so far. */
  get unshared(): number {
    return this.overhead - this.#shared;
  }

  /** Whether a flow was ever opened, which nobody does without a credential. */
  get hadFlows(): boolean {
    return this.#hadFlows;
  }

  /** A flow of this connection has begun: from now on it bears its share. */
  opened(flow: Flow): void {
    this.#hadFlows = true;
    this.#open.set(flow, moved(flow));
    flow.beforeEnd(() => {
      this.#shareBut(this.#open.size > 1 ? RECORD_BYTES : 0);
      this.#open.delete(flow);
    });
  }

  /** Gives what has come up since the last time to the flows that are open. */
  share(): void {
    this.#shareBut(RECORD_BYTES);
  }

  /** @param kept what may turn out to be carried once its record is whole */
  #shareBut(kept: number): void {
    const unshared = this.unshared - kept;
    // What waits in a buffer is carried but not on the wire yet: then there is nothing to share for a moment.
    if (unshared <= 0 || this.#open.size === 0) return;
    const weights = [...this.#open].map(([flow, before]) => [flow, moved(flow) - before] as const);
    const sum = weights.reduce((all, [, weight]) => all + weight, 0);
    let left = unshared;
    for (const [flow, weight] of weights) {
      const part = Math.floor(sum === 0 ? unshared / weights.length : unshared * (weight / sum));
      flow.tlsBytes += part;
      left -= part;
      this.#open.set(flow, moved(flow));
    }
    const [first] = weights;
    if (first) first[0].tlsBytes += left;
    this.#shared += unshared;
  }
}

function moved(flow: Flow): number {
  const { sentBytes, receivedBytes } = flow.totals();
  return sentBytes + receivedBytes;
}

/** Opens flows that the leg is told of. */
export function openerOfLeg(opener: FlowOpening, leg: TlsLeg): FlowOpening {
  return {
    admit: (identity, wish) => opener.admit(identity, { ...wish, leg }),
    check: (...target) => opener.check(...target),
    dial: (...admitted) => opener.dial(...admitted),
    connected: (...attempt) => opener.connected(...attempt),
    failed: (...attempt) => opener.failed(...attempt),
    foreseen: (...granted) => opener.foreseen(...granted),
  };
}
