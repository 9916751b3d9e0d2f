import { z } from "zod";
import type { HashedReceipt } from "./receipt.ts";

/** A line longer than this is none of ours: names and labels are short. */
export const MAX_LINE_LENGTH = 16_384;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const moment = z.int().nonnegative();
const bytes = z.string().regex(/^(0|[1-9]\d{0,18})$/);
const name = z.string().min(1).max(1_000);

const totalsShape = {
  sentBytes: bytes,
  receivedBytes: bytes,
  requests: count,
  unchargedSentBytes: bytes,
  unchargedReceivedBytes: bytes,
  tlsBytes: bytes,
};

const headerSchema = z.strictObject({
  kind: z.literal("receipts"),
  version: z.literal(1),
  credential: name,
  /** The server's public key: Ed25519, 32 bytes in base64. */
  key: z.base64().length(44),
});

const receiptSchema = z.strictObject({
  kind: z.literal("receipt"),
  credential: name,
  number: z.int().positive(),
  previous: hash,
  connection: z.uuid(),
  openedAt: moment,
  closedAt: moment,
  protocol: name,
  target: name,
  exitCountry: name.nullable(),
  exitLabel: name.nullable(),
  exitAddress: name.nullable(),
  ...totalsShape,
  attempts: count,
  failover: name.nullable(),
  outcome: name,
  hash,
});

const endSchema = z.strictObject({
  kind: z.literal("end"),
  credential: name,
  count,
  ...totalsShape,
  /** The last receipt above; 0 and zeros when there is none. */
  lastNumber: count,
  lastHash: hash,
  signedAt: moment,
  /** Ed25519 over `canonicalEnd`, base64. */
  signature: z.base64().length(88),
});

const lineSchema = z.discriminatedUnion("kind", [headerSchema, receiptSchema, endSchema]);

/** The first line of a file: whose receipts they are. */
export type ReceiptsHeader = z.infer<typeof headerSchema>;
/** A receipt as a line. */
export type ReceiptLine = z.infer<typeof receiptSchema>;
/** The last line: what all receipts of the file come to, signed by the server. */
export type ReceiptsEnd = z.infer<typeof endSchema>;

/** A line that is none of these, and why, for people. */
export interface UnreadableLine {
  readonly kind: "unreadable";
  readonly problem: string;
}

/** Reads one line of a file of receipts (JSON Lines). Takes any text and never throws. */
export function readReceiptLine(text: string): ReceiptsHeader | ReceiptLine | ReceiptsEnd | UnreadableLine {
  if (text.length > MAX_LINE_LENGTH) return unreadable("it is too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unreadable("it is no JSON");
  }
  const read = lineSchema.safeParse(value);
  if (read.success) return read.data;
  const field = read.error.issues[0]?.path.join(".");
  return unreadable(field ? `its ${field} is not what it should be` : "it is not what it should be");
}

function unreadable(problem: string): UnreadableLine {
  return { kind: "unreadable", problem };
}

/** Writes a receipt as a line, without the line's end. */
export function writeReceiptLine(receipt: HashedReceipt): string {
  return JSON.stringify({ kind: "receipt", ...receipt });
}

const END_FORMAT = "atlantic-receipts-end-1";

/** The text that the last line's signature is made over (UTF-8): a JSON array, as RFC 8785 writes it. */
export function canonicalEnd(end: Omit<ReceiptsEnd, "kind" | "signature">): string {
  return JSON.stringify([
    END_FORMAT,
    end.credential,
    end.count,
    end.sentBytes,
    end.receivedBytes,
    end.requests,
    end.unchargedSentBytes,
    end.unchargedReceivedBytes,
    end.tlsBytes,
    end.lastNumber,
    end.lastHash,
    end.signedAt,
  ]);
}
