import { ProxyError } from "@atlantic/shared/errors.ts";
import { type Field, listMembers } from "./head.ts";

/** How the end of a body is found (RFC 9112 §6). */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  /** Responses only. */
  | { readonly kind: "close" };

export const NO_BODY: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };
const UNTIL_CLOSE: Framing = { kind: "close" };

/** What the two framing fields say; collected while the fields are read. */
export class FramingFields {
  #length: number | undefined;
  #coding: string | undefined;

  /** @throws ProxyError when a length is no number, or two of them differ */
  add(field: Field): void {
    if (field.lower === "transfer-encoding") {
      this.#coding = this.#coding === undefined ? field.value : `${this.#coding},${field.value}`;
    } else if (field.lower === "content-length") {
      const length = readLength(field.value);
      if (this.#length !== undefined && this.#length !== length) throw malformed("Two lengths differ.");
      this.#length = length;
    }
  }

  /** The transfer coding as it was named. */
  get coding(): string | undefined {
    return this.#coding;
  }

  /** The length as it was named, of a body or of what the answer to HEAD has not. */
  get length(): number | undefined {
    return this.#length;
  }

  /** @throws ProxyError where a request's end is in doubt: two readers could see two requests */
  ofRequest(version: "1.0" | "1.1"): Framing {
    if (this.#coding !== undefined) {
      if (this.#length !== undefined) throw malformed("A length and a transfer coding exclude each other.");
      if (version === "1.0") throw malformed("HTTP/1.0 has no transfer codings.");
      const codings = listMembers(this.#coding);
      if (codings.length === 1 && codings[0] === "chunked") return CHUNKED;
      if (codings.at(-1) !== "chunked") throw malformed("The last transfer coding must be chunked.");
      throw new ProxyError("not_implemented");
    }
    return this.#length === undefined ? NO_BODY : lengthFraming(this.#length);
  }

  /** @throws ProxyError `bad_response` */
  ofResponse(status: number, method: string): Framing {
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return NO_BODY;
    if (this.#coding !== undefined) {
      // No other coding was asked for: whoever takes the chunks away would lose the word for what is in them.
      if (this.#length !== undefined || this.#coding.toLowerCase() !== "chunked") {
        throw new ProxyError("bad_response", "The target's answer leaves its own length in doubt.");
      }
      return CHUNKED;
    }
    return this.#length === undefined ? UNTIL_CLOSE : lengthFraming(this.#length);
  }
}

function lengthFraming(length: number): Framing {
  return length === 0 ? NO_BODY : { kind: "length", length };
}

function readLength(text: string): number {
  const length = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw malformed("The content length is no number.");
  return length;
}

function malformed(detail: string): ProxyError {
  return new ProxyError("malformed_request", detail);
}
