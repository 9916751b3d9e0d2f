import { MAX_MESSAGE_BYTES } from "@atlantic/shared/control/messages.ts";

/** A peer sent a line that is longer than a message may be. */
class LineTooLongError extends Error {
  override readonly name = "LineTooLongError";
}

/** Cuts a byte stream into lines, however it is divided into chunks. */
export class LineReader {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number = MAX_MESSAGE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The lines that this chunk completes, without their ends; empty lines are left out.
   * @throws LineTooLongError
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      this.#keep(rest.subarray(0, end));
      const line = this.#take();
      if (line !== "") lines.push(line);
      rest = rest.subarray(end + 1);
    }
    this.#keep(rest);
    return lines;
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes)
      throw new LineTooLongError(`A message is longer than ${this.#maxBytes} bytes.`);
    this.#parts.push(part);
  }

  #take(): string {
    const line = Buffer.concat(this.#parts).toString("utf8").trim();
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}
