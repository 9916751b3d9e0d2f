import { createPublicKey, hash, verify } from "node:crypto";
import { createReadStream } from "node:fs";
import { MAX_LINE_LENGTH } from "@atlantic/shared/receipts/receipt-line.ts";
import {
  type ReceiptCryptography,
  type ReceiptVerdict,
  ReceiptVerifier,
} from "@atlantic/shared/receipts/receipt-verifier.ts";
import { ClearError } from "../clear-error.ts";
import { type CommandContext, show } from "./command-context.ts";

/** `atlantic verify receipts FILE`: exit code 1 when anything is wrong with it. */
export async function verifyReceipts(
  context: CommandContext,
  file: string,
  { key }: { key?: string },
): Promise<void> {
  if (key !== undefined && Buffer.from(key, "base64").length !== KEY_BYTES) {
    throw new ClearError("A key is 32 bytes in base64, as the server says it at /api/v1/receipts/key.");
  }
  const verifier = new ReceiptVerifier(nodeCryptography, key);
  try {
    for await (const line of linesOf(file)) verifier.line(line);
  } catch (error) {
    throw new ClearError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const verdict = verifier.end();
  if (verdict.credential === null && verdict.receipts === 0) {
    throw new ClearError(
      `${file} is no file of receipts: its first line names no credential. Download one on the credential's page.`,
    );
  }
  show(context, verdict, (result) => verdictInWords(result, key !== undefined));
  if (verdict.problemCount > 0) process.exitCode = 1;
}

const KEY_BYTES = 32;
/** SubjectPublicKeyInfo of an Ed25519 key, before its 32 bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** SHA-256 and Ed25519 of Node. */
export const nodeCryptography: ReceiptCryptography = {
  sha256: (text) => hash("sha256", text, "hex"),
  verify(key, text, signature) {
    try {
      const der = Buffer.concat([SPKI_PREFIX, Buffer.from(key, "base64")]);
      const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
      return verify(null, Buffer.from(text), publicKey, Buffer.from(signature, "base64"));
    } catch {
      return false;
    }
  },
};

/** Split at U+000A alone: names may hold other characters at which readline would split. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(file, "utf8")) {
    rest += chunk;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    // No line of ours is that long: what follows is part of it and is not kept.
    if (rest.length > 2 * MAX_LINE_LENGTH) rest = rest.slice(0, 2 * MAX_LINE_LENGTH);
  }
  if (rest !== "") yield rest;
}

function verdictInWords(verdict: ReceiptVerdict, isKeyTrusted: boolean): string {
  const { problems, problemCount } = verdict;
  if (problemCount === 0) return goodInWords(verdict, isKeyTrusted);
  const listed = problems.map(({ line, sentence }) => `line ${line}: ${sentence}`);
  if (problemCount > problems.length) listed.push(`and ${problemCount - problems.length} more`);
  return ["NOT VALID", ...listed].join("\n");
}

function goodInWords(verdict: ReceiptVerdict, isKeyTrusted: boolean): string {
  const { receipts, firstNumber, lastNumber, totals, signedAt, credential, key } = verdict;
  const which = receipts === 0 ? "no receipt" : `${receipts} receipts, ${firstNumber} to ${lastNumber}`;
  const signed = signedAt === null ? "" : `, signed ${new Date(signedAt).toISOString()}`;
  const lines = [
    `VALID: ${which}, of ${credential}, none changed or missing${signed}`,
    `sent ${totals.sentBytes} bytes, received ${totals.receivedBytes} bytes, ${totals.requests} requests`,
    `not charged: ${totals.unchargedSentBytes} sent, ${totals.unchargedReceivedBytes} received; TLS ${totals.tlsBytes} bytes`,
  ];
  if (!isKeyTrusted) {
    lines.push(
      `signed with the key ${key}, which the file itself names:`,
      "compare it with the server's, at /api/v1/receipts/key, or give it with --key",
    );
  }
  return lines.join("\n");
}
