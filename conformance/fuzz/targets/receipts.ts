import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { nodeCryptography } from "@atlantic/companion/src/cli/verify-receipts-command.ts";
import { CHAIN_START, canonicalReceipt, type Receipt } from "@atlantic/shared/receipts/receipt.ts";
import { canonicalEnd, readReceiptLine, writeReceiptLine } from "@atlantic/shared/receipts/receipt-line.ts";
import { ReceiptVerifier } from "@atlantic/shared/receipts/receipt-verifier.ts";
import { bytesOf, type FuzzTarget, holds, same } from "../fuzz-target.ts";
import { mutated } from "../mutate.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
const credential = "atl_k3x9m2qp";

function receiptOf(number: number, previous: string): Receipt {
  return {
    credential,
    number,
    previous,
    connection: `00000000-0000-4000-8000-00000000000${number}`,
    openedAt: 1_700_000_000_000,
    closedAt: 1_700_000_001_000,
    protocol: "connect",
    target: 'ex"ample.com:443',
    exitCountry: "de",
    exitLabel: null,
    exitAddress: "127.1.2.3",
    sentBytes: "10",
    receivedBytes: "20",
    requests: 1,
    unchargedSentBytes: "0",
    unchargedReceivedBytes: "0",
    tlsBytes: "0",
    attempts: 1,
    failover: null,
    outcome: "ended",
  };
}

/** A file that is right, as its lines. */
function rightFile(): readonly string[] {
  const lines = [JSON.stringify({ kind: "receipts", version: 1, credential, key })];
  let previous = CHAIN_START;
  for (const number of [1, 2, 3]) {
    const receipt = receiptOf(number, previous);
    const hash = createHash("sha256").update(canonicalReceipt(receipt)).digest("hex");
    lines.push(writeReceiptLine({ ...receipt, hash }));
    previous = hash;
  }
  const end = {
    credential,
    count: 3,
    sentBytes: "30",
    receivedBytes: "60",
    requests: 3,
    unchargedSentBytes: "0",
    unchargedReceivedBytes: "0",
    tlsBytes: "0",
    lastNumber: 3,
    lastHash: previous,
    signedAt: 1_700_000_002_000,
  };
  const signature = sign(null, Buffer.from(canonicalEnd(end)), privateKey).toString("base64");
  return [...lines, JSON.stringify({ kind: "end", ...end, signature })];
}

function verdictOf(lines: readonly string[]) {
  const verifier = new ReceiptVerifier(nodeCryptography, key);
  for (const line of lines) verifier.line(line);
  return verifier.end();
}

const right = rightFile();
const corpus = bytesOf(...(right as [string, ...string[]]));
const tokens = bytesOf(
  '"kind":"receipt"',
  '"kind":"end"',
  '"number":2',
  '"hash":"',
  "null",
  "1e999",
  "-0",
  '{"a":',
  "[[[[",
  '"__proto__":{}',
  "\\u0000",
  "18446744073709551616",
);

/** What a line says, without the order and the white space in which it is written. */
function meaningOf(line: string): string {
  return JSON.stringify(readReceiptLine(line));
}

/** Lines of receipts, and files with one line changed, lost, moved or there twice: none of them verifies. */
export const receipts: FuzzTarget = {
  name: "receipts",
  weight: 2,
  input: (random) => mutated(random, corpus, tokens),
  check(input, random) {
    const text = input.toString("utf8");
    const line = readReceiptLine(text);
    if (line.kind !== "unreadable")
      same(meaningOf(JSON.stringify(line)), JSON.stringify(line), "It is read as another");
    if (line.kind === "receipt")
      same(readReceiptLine(writeReceiptLine(line)), line, "It is written as another");
    // Hashes and a signature cost more than all the rest.
    if (random.below(8) > 0) return;
    const at = random.below(right.length);
    const lines = right.toSpliced(at, random.below(2), text);
    const verdict = verdictOf(lines);
    const honest =
      lines.length === right.length &&
      lines.every((one, index) => meaningOf(one) === meaningOf(right[index] ?? ""));
    const blank = text.trim() === "" && lines.length > right.length;
    holds(
      (verdict.problemCount === 0) === (honest || blank),
      () => `${verdict.problemCount} problems were found in ${JSON.stringify(lines)}.`,
    );
    holds(verdict.problems.length <= 100, "The problems grow without bound.");
  },
};
