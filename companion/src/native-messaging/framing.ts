import { endianness } from "node:os";

/** Native messaging: JSON in UTF-8 behind its length in bytes, 32 bits in the machine's own order. */
const isLittle = endianness() === "LE";
const PREFIX_BYTES = 4;

/** The longest message that is taken from a browser; the same as a line of the control socket. */
const MAX_FRAME_BYTES = 1_000_000;

export class FrameTooLongError extends Error {
  override readonly name = "FrameTooLongError";
}

export function encodeFrame(text: string): Buffer {
  const body = Buffer.from(text, "utf8");
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + body.length);
  if (isLittle) frame.writeUInt32LE(body.length);
  else frame.writeUInt32BE(body.length);
  body.copy(frame, PREFIX_BYTES);
  return frame;
}

/** Cuts a byte stream into messages, however it is divided into chunks. */
export class FrameReader {
  #received: Buffer = Buffer.alloc(0);

  /**
   * The messages that this chunk completes.
   * @throws FrameTooLongError
   */
  push(chunk: Buffer): string[] {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const messages: string[] = [];
    for (let end = this.#frameEnd(); end <= this.#received.length; end = this.#frameEnd()) {
      messages.push(this.#received.toString("utf8", PREFIX_BYTES, end));
      this.#received = this.#received.subarray(end);
    }
    return messages;
  }

  /** Where the first frame ends; infinitely far while its length has not come. */
  #frameEnd(): number {
    if (this.#received.length < PREFIX_BYTES) return Number.POSITIVE_INFINITY;
    const length = isLittle ? this.#received.readUInt32LE() : this.#received.readUInt32BE();
    if (length > MAX_FRAME_BYTES)
      throw new FrameTooLongError(`A message is longer than ${MAX_FRAME_BYTES} bytes.`);
    return PREFIX_BYTES + length;
  }
}
