/** Longest name on the wire, with the length bytes and the root (RFC 1035, 3.1). */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
const POINTER = 0xc0;

export interface WireName {
  /** Lower case, labels parted by full stops; bytes that could be mistaken are written as `\123`. The root is "". */
  readonly name: string;
  /** Where the next field begins. */
  readonly next: number;
}

/**
 * Reads a name, following compression pointers (RFC 1035, 4.1.4). A pointer must lead back, so that no message makes this
 * run for ever.
 * @returns undefined when the bytes are no name
 */
export function readName(message: Buffer, start: number): WireName | undefined {
  const labels: string[] = [];
  let at = start;
  let next: number | undefined;
  let length = 1;
  let floor = start;
  for (;;) {
    const size = message[at];
    if (size === undefined) return undefined;
    if (size === 0) return { name: labels.join("."), next: next ?? at + 1 };
    if ((size & POINTER) === POINTER) {
      const low = message[at + 1];
      if (low === undefined) return undefined;
      const target = ((size & ~POINTER) << 8) | low;
      if (target >= floor) return undefined;
      next ??= at + 2;
      floor = target;
      at = target;
      continue;
    }
    length += size + 1;
    if (size > MAX_LABEL_BYTES || length > MAX_NAME_BYTES || at + 1 + size > message.length) return undefined;
    labels.push(label(message, at + 1, size));
    at += 1 + size;
  }
}

const PLAIN = /^[!-\-/-[\]-~]*$/;

function label(message: Buffer, at: number, size: number): string {
  const text = message.toString("latin1", at, at + size);
  const plain = PLAIN.test(text) ? text : text.replaceAll(/[^!-\-/-[\]-~]/g, escapeByte);
  return plain.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function escapeByte(byte: string): string {
  return `\\${byte.charCodeAt(0).toString().padStart(3, "0")}`;
}

/** Writes a name without compression; undefined when it is none that fits. */
export function writeName(name: string): Buffer | undefined {
  if (name === "") return Buffer.of(0);
  const parts: Buffer[] = [];
  let length = 1;
  for (const text of name.split(".")) {
    const bytes = Buffer.from(
      text.replaceAll(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number(code))),
      "latin1",
    );
    length += bytes.length + 1;
    if (bytes.length === 0 || bytes.length > MAX_LABEL_BYTES || length > MAX_NAME_BYTES) return undefined;
    parts.push(Buffer.of(bytes.length), bytes);
  }
  return Buffer.concat([...parts, Buffer.of(0)]);
}
