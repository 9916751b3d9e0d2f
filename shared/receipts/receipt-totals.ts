/** What receipts come to; decimal text where bytes are meant. */
export interface TotalsText {
  readonly sentBytes: string;
  readonly receivedBytes: string;
  readonly requests: number;
  readonly unchargedSentBytes: string;
  readonly unchargedReceivedBytes: string;
  readonly tlsBytes: string;
}

/** Adds receipts up. */
export class ReceiptTotals {
  #sent = 0n;
  #received = 0n;
  #requests = 0;
  #unchargedSent = 0n;
  #unchargedReceived = 0n;
  #tls = 0n;

  add(receipt: TotalsText): void {
    this.#sent += BigInt(receipt.sentBytes);
    this.#received += BigInt(receipt.receivedBytes);
    this.#requests += receipt.requests;
    this.#unchargedSent += BigInt(receipt.unchargedSentBytes);
    this.#unchargedReceived += BigInt(receipt.unchargedReceivedBytes);
    this.#tls += BigInt(receipt.tlsBytes);
  }

  text(): TotalsText {
    return {
      sentBytes: String(this.#sent),
      receivedBytes: String(this.#received),
      requests: this.#requests,
      unchargedSentBytes: String(this.#unchargedSent),
      unchargedReceivedBytes: String(this.#unchargedReceived),
      tlsBytes: String(this.#tls),
    };
  }
}

/** Whether both say the same. */
export function sameTotals(one: TotalsText, other: TotalsText): boolean {
  return (
    one.sentBytes === other.sentBytes &&
    one.receivedBytes === other.receivedBytes &&
    one.requests === other.requests &&
    one.unchargedSentBytes === other.unchargedSentBytes &&
    one.unchargedReceivedBytes === other.unchargedReceivedBytes &&
    one.tlsBytes === other.tlsBytes
  );
}
