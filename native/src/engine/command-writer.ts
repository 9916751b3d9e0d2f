const FIRST_BYTES = 65_536;

/** Writes commands one behind the other: records of little-endian numbers and lengths. */
export class CommandWriter {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #start = 0;
  #at = 0;

  /** Begins a record for a connection. */
  begin(verb: number, index: number, generation: number): void {
    this.#start = this.#at;
    this.#reserve(16);
    this.#at += 4;
    this.number(verb);
    this.number(index);
    this.number(generation);
  }

  /** An unsigned number of 32 bits. */
  number(value: number): void {
    this.#reserve(4);
    const buffer = this.#buffer;
    buffer[this.#at] = value;
    buffer[this.#at + 1] = value >>> 8;
    buffer[this.#at + 2] = value >>> 16;
    buffer[this.#at + 3] = value >>> 24;
    this.#at += 4;
  }

  bytes(bytes: Uint8Array): void {
    this.number(bytes.length);
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** One byte for each character (Latin-1). */
  text(text: string): void {
    this.number(text.length);
    this.#reserve(text.length);
    this.#at += this.#buffer.write(text, this.#at, "latin1");
  }

  /** Ends the record. */
  end(): void {
    this.#buffer.writeUInt32LE(this.#at - this.#start, this.#start);
  }

  get isEmpty(): boolean {
    return this.#at === 0;
  }

  /** All records so far; valid until the next one begins. */
  take(): Buffer {
    const records = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    return records;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}
