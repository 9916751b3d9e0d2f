import { ProxyError } from "@atlantic/shared/errors.ts";
import type { Framing } from "./framing.ts";
import { type HeadLimits, parseHead } from "./head.ts";
import { isTrailerField } from "./trailer-fields.ts";

/** Takes a part of a buffer that is to be passed on; of the one that was read or, for trailers, of one of its own. */
export type Pass = (bytes: Buffer, start: number, end: number) => void;

/** Follows a body through its bytes, to its end and no further. */
export interface BodyReader {
  readonly done: boolean;
  /**
   * Reads on at `start`, passing on what belongs to the body.
   * @returns where the body ends in this buffer, or its length
   * @throws ProxyError when the framing is broken
   */
  read(bytes: Buffer, start: number, pass: Pass): number;
}

/** @param payloadOnly take the chunks' frames and the trailers away, for a receiver that knows none */
export function bodyReader(framing: Framing, payloadOnly = false): BodyReader {
  if (framing.kind === "chunked") return new ChunkedReader(payloadOnly);
  if (framing.kind === "length") return new CountedReader(framing.length);
  if (framing.kind === "close") return new CountedReader(Number.POSITIVE_INFINITY);
  return new CountedReader(0);
}

class CountedReader implements BodyReader {
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  read(bytes: Buffer, start: number, pass: Pass): number {
    const end = Math.min(bytes.length, start + this.#left);
    if (end > start) pass(bytes, start, end);
    this.#left -= end - start;
    return end;
  }
}

type ChunkState =
  | "size"
  | "extension"
  | "size LF"
  | "data"
  | "data CR"
  | "data LF"
  | "trailer"
  | "trailer LF"
  | "done";

const CR = 0x0d;
const LF = 0x0a;
const MAX_SIZE_DIGITS = 13;
const MAX_LINE_BYTES = 8_192;
const TRAILER_LIMITS: HeadLimits = { bytes: MAX_LINE_BYTES, fields: 50 };

/**
 * Chunked coding (RFC 9112 §7.1), read to the letter: what the next reader could read in another way is refused.
 * Extensions are dropped, as §7.1.1 allows; of the trailers those go on that may (RFC 9110 §6.5.1).
 */
class ChunkedReader implements BodyReader {
  readonly #payloadOnly: boolean;
  #state: ChunkState = "size";
  #size = 0;
  #digits = 0;
  #lastChunk = false;
  /** Bytes of the extension or of the trailers so far, for the limit. */
  #dropped = 0;
  /** Bytes of the trailer line so far. */
  #lineBytes = 0;
  /** The trailer section so far, without its empty line. */
  #trailers = "";

  constructor(payloadOnly: boolean) {
    this.#payloadOnly = payloadOnly;
  }

  get done(): boolean {
    return this.#state === "done";
  }

  read(bytes: Buffer, start: number, pass: Pass): number {
    let at = start;
    /** The beginning of what is to be passed on; -1 where the last byte was dropped. */
    let from = -1;
    const flush = (to: number) => {
      if (from >= 0 && to > from) pass(bytes, from, to);
      from = -1;
    };
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const end = Math.min(bytes.length, at + this.#size);
        if (from < 0) from = at;
        this.#size -= end - at;
        at = end;
        if (this.#size === 0) this.#state = "data CR";
        continue;
      }
      const kept = this.#step(bytes[at] ?? 0) && !this.#payloadOnly;
      if (!kept) flush(at);
      else if (from < 0) from = at;
      at += 1;
    }
    flush(at);
    if (this.#state === "done") this.#passTrailers(pass);
    return at;
  }

  /** The trailers that go on, and the empty line behind them. Without trailers that line was passed on as it came. */
  #passTrailers(pass: Pass): void {
    if (this.#trailers === "" || this.#payloadOnly) return;
    const section = Buffer.from(`${keptTrailers(this.#trailers)}\r\n`, "latin1");
    this.#trailers = "";
    pass(section, 0, section.length);
  }

  /** Takes one byte of the framing; whether it is passed on. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case "size":
        return this.#sizeByte(byte);
      case "extension":
        this.#dropped += 1;
        if (byte === LF || this.#dropped > MAX_LINE_BYTES) throw broken();
        if (byte !== CR) return false;
        this.#state = "size LF";
        return true;
      case "size LF":
        if (byte !== LF) throw broken();
        this.#lastChunk = this.#size === 0;
        this.#digits = 0;
        this.#state = this.#lastChunk ? "trailer" : "data";
        return true;
      case "data CR":
        if (byte !== CR) throw broken();
        this.#state = "data LF";
        return true;
      case "data LF":
        if (byte !== LF) throw broken();
        this.#state = "size";
        return true;
      case "trailer":
        return this.#trailerByte(byte);
      case "trailer LF":
        if (byte !== LF) throw broken();
        return this.#trailerLineEnds();
      default:
        throw broken();
    }
  }

  #sizeByte(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#digits += 1;
      if (this.#digits > MAX_SIZE_DIGITS) throw broken();
      this.#size = this.#size * 16 + digit;
      return true;
    }
    if (this.#digits === 0) throw broken();
    this.#dropped = 0;
    if (byte === CR) {
      this.#state = "size LF";
      return true;
    }
    if (byte !== 0x3b && byte !== 0x20 && byte !== 0x09) throw broken();
    this.#state = "extension";
    return false;
  }

  /** Nothing of the section is passed on before all of it was read. */
  #trailerByte(byte: number): boolean {
    if (byte === LF) throw broken();
    if (byte === CR) {
      this.#state = "trailer LF";
      return this.#lineBytes === 0 && this.#trailers === "";
    }
    this.#lineBytes += 1;
    this.#dropped += 1;
    if (this.#dropped > MAX_LINE_BYTES) throw broken();
    this.#trailers += String.fromCharCode(byte);
    return false;
  }

  #trailerLineEnds(): boolean {
    const empty = this.#lineBytes === 0;
    this.#state = empty ? "done" : "trailer";
    if (!empty) this.#trailers += "\r\n";
    this.#lineBytes = 0;
    return empty && this.#trailers === "";
  }
}

/** @throws ProxyError when a line is no field */
function keptTrailers(section: string): string {
  if (section === "") return "";
  // A header section is read as one: what would be the start line is an empty one.
  const { fields } = parseHead(`\r\n${section.slice(0, -2)}`, TRAILER_LIMITS);
  let kept = "";
  for (const { name, lower, value } of fields) if (isTrailerField(lower)) kept += `${name}: ${value}\r\n`;
  return kept;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function broken(): ProxyError {
  return new ProxyError("malformed_request", "The chunks of the body are broken.");
}
