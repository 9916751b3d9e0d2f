const NO_DESCRIPTOR = 2 ** 32 - 1;

/** Reads what the engine says of one event, in its order: the reverse of `CommandWriter`. */
export class EventReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** An unsigned number of 32 bits. */
  number(): number {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  /** A count that may go beyond 32 bits, exact up to 2^53. */
  large(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  descriptor(): number | undefined {
    const fd = this.number();
    return fd === NO_DESCRIPTOR ? undefined : fd;
  }

  /** One character for each byte (Latin-1). */
  text(): string {
    const length = this.number();
    this.#at += length;
    return this.#bytes.toString("latin1", this.#at - length, this.#at);
  }

  endpoint(): { readonly address: string; readonly port: number } {
    const port = this.number();
    return { address: this.text(), port };
  }

  /** A copy: the events' buffer is used again. */
  bytes(): Buffer {
    const length = this.number();
    this.#at += length;
    return Buffer.from(this.#bytes.subarray(this.#at - length, this.#at));
  }

  /** All that is left, a copy. */
  rest(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#at));
  }
}
