import type { AddedFields } from "../flow-limits.ts";

export interface FieldProblem {
  readonly problem: string;
}

export const MAX_ADDED_FIELDS = 32;
const MAX_NAME_BYTES = 64;
const MAX_VALUE_BYTES = 2_048;

/** Fields that say how a message is framed or carried, or who may use this proxy: nobody but the gateway sets them. */
const ours: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "max-forwards",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
]);

/** Reads a header field that is to be added to forwarded requests (RFC 9110 §5.1, §5.5). */
export function readAddedField(
  name: string,
  value: string,
): { readonly name: string; readonly value: string } | FieldProblem {
  const lower = name.toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower) || lower.length > MAX_NAME_BYTES) {
    return {
      problem: `"${shown(name)}" is not a header name. Use letters, digits and hyphens, at most ${MAX_NAME_BYTES}.`,
    };
  }
  if (ours.has(lower) || lower.startsWith("proxy-") || lower.startsWith("x-atlantic-")) {
    return { problem: `"${name}" is set by the gateway itself and cannot be added.` };
  }
  const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, "");
  if (!/^[\t\x20-\x7e]*$/.test(trimmed)) {
    return {
      problem: `The value of "${name}" has characters that a header cannot carry. Use plain ASCII on one line.`,
    };
  }
  if (trimmed.length > MAX_VALUE_BYTES) {
    return { problem: `The value of "${name}" is longer than ${MAX_VALUE_BYTES} characters. Shorten it.` };
  }
  return { name, value: trimmed };
}

function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 60);
}

/** Lays the fields out as they go into a header section. @throws Error when one cannot be read */
export function addedFields(
  fields: readonly { readonly name: string; readonly value: string }[],
): AddedFields | undefined {
  if (fields.length === 0) return undefined;
  const lines = fields.map(({ name, value }) => {
    const field = readAddedField(name, value);
    if ("problem" in field) throw new Error("A header field that is to be added cannot be read.");
    return `${field.name}: ${field.value}\r\n`;
  });
  return {
    names: new Set(fields.map(({ name }) => name.toLowerCase())),
    bytes: Buffer.from(lines.join(""), "latin1"),
  };
}
