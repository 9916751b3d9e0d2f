/** Bytes of one flow so far, as its sockets counted them. */
export interface FlowCounters {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What went through exits since the companion started. */
export class UsageMeter {
  #sent = 0n;
  #received = 0n;
  #requests = 0;
  readonly #live = new Set<() => FlowCounters>();

  /** One tunnel or one plain request. */
  countRequest(): void {
    this.#requests += 1;
  }

  /** Counts a flow while it lives; the returned function takes its final figures. */
  follow(counters: () => FlowCounters): () => void {
    this.#live.add(counters);
    return () => {
      if (!this.#live.delete(counters)) return;
      const { sentBytes, receivedBytes } = counters();
      this.#sent += BigInt(sentBytes);
      this.#received += BigInt(receivedBytes);
    };
  }

  /** Bytes as decimal text. */
  totals(): { sentBytes: string; receivedBytes: string; requests: number } {
    let sent = this.#sent;
    let received = this.#received;
    for (const counters of this.#live) {
      const { sentBytes, receivedBytes } = counters();
      sent += BigInt(sentBytes);
      received += BigInt(receivedBytes);
    }
    return { sentBytes: `${sent}`, receivedBytes: `${received}`, requests: this.#requests };
  }
}
