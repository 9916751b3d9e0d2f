import { createHash, generateKeyPairSync, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHAIN_START, canonicalReceipt, type HashedReceipt, receiptTarget } from "./receipt.ts";
import { canonicalEnd, readReceiptLine, writeReceiptLine } from "./receipt-line.ts";
import { ReceiptTotals } from "./receipt-totals.ts";
import { type ReceiptCryptography, type ReceiptVerdict, ReceiptVerifier } from "./receipt-verifier.ts";

const keys = generateKeyPairSync("ed25519");
const KEY = keys.publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
const cryptography: ReceiptCryptography = {
  sha256: (text) => createHash("sha256").update(text).digest("hex"),
  verify: (key, text, signature) =>
    key === KEY && verify(null, Buffer.from(text), keys.publicKey, Buffer.from(signature, "base64")),
};

/** A server's file of `count` receipts from `first` on: its lines. */
function fileOf(count: number, { first = 1, label = "Berlin, Germany" } = {}): string[] {
  const credential = "atl_abcdefgh";
  const totals = new ReceiptTotals();
  let previous = first === 1 ? CHAIN_START : "ab".repeat(32);
  const lines = [JSON.stringify({ kind: "receipts", version: 1, credential, key: KEY })];
  for (let number = first; number < first + count; number++) {
    const receipt = {
      credential,
      number,
      previous,
      connection: `01900000-0000-7000-8000-${String(number).padStart(12, "0")}`,
      openedAt: number,
      closedAt: number + 1,
      protocol: "connect",
      target: receiptTarget("2001:db8::1", 443),
      exitCountry: "de",
      exitLabel: label,
      exitAddress: null,
      sentBytes: String(number * 10),
      receivedBytes: "5",
      requests: 1,
      unchargedSentBytes: "0",
      unchargedReceivedBytes: "2",
      tlsBytes: "1",
      attempts: 2,
      failover: "upstream_timeout",
      outcome: "ended",
    };
    const hashed: HashedReceipt = { ...receipt, hash: cryptography.sha256(canonicalReceipt(receipt)) };
    totals.add(receipt);
    lines.push(writeReceiptLine(hashed));
    previous = hashed.hash;
  }
  const lastNumber = count === 0 ? 0 : first + count - 1;
  const end = {
    credential,
    count,
    ...totals.text(),
    lastNumber,
    lastHash: count === 0 ? CHAIN_START : previous,
    signedAt: 1,
  };
  const signature = sign(null, Buffer.from(canonicalEnd(end)), keys.privateKey).toString("base64");
  return [...lines, JSON.stringify({ kind: "end", ...end, signature })];
}

function verdictOn(lines: readonly string[], key?: string): ReceiptVerdict {
  const verifier = new ReceiptVerifier(cryptography, key);
  for (const line of lines) verifier.line(line);
  return verifier.end();
}

const accusations = (lines: readonly string[], key?: string) =>
  verdictOn(lines, key).problems.map(({ line, kind }) => `${line} ${kind}`);

describe("a file of receipts", () => {
  test("that a server made is valid, whole or from some number on, and adds up", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.integer({ min: 1, max: 1_000 }), fc.string(), (count, first, label) => {
        const verdict = verdictOn(fileOf(count, { first, label: label || "x" }), KEY);
        expect(verdict.problems).toEqual([]);
        expect(verdict.receipts).toBe(count);
        expect(verdict.totals.receivedBytes).toBe(String(5 * count));
        expect(verdict.signedAt).toBe(1);
      }),
    );
  });

  test("is not valid when any character of any line is another one", () => {
    fc.assert(
      fc.property(fc.nat(5), fc.nat(), fc.nat(), fc.constantFrom(...'0a9"}: z,'), (line, place, _, other) => {
        const lines = fileOf(4);
        const text = lines[line] ?? "";
        const at = place % text.length;
        fc.pre(text[at] !== other);
        lines[line] = text.slice(0, at) + other + text.slice(at + 1);
        const before = readReceiptLine(text);
        const after = readReceiptLine(lines[line] ?? "");
        // White space between the fields changes nothing of what a line says.
        fc.pre(JSON.stringify(before) !== JSON.stringify(after));
        expect(verdictOn(lines, KEY).problemCount).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  test("is not valid when any lines are left out, and the verdict says which", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 2, max: 8 }), { minLength: 1, maxLength: 6 }), (left) => {
        const verdict = verdictOn(fileOf(9).filter((_, line) => !left.includes(line)));
        const missing = verdict.problems.filter(({ kind }) => kind === "missing");
        const named = missing.flatMap(({ sentence }) => {
          const [from = 0, to = from] = [...sentence.matchAll(/\d+/g)].map(Number);
          return Array.from({ length: to - from + 1 }, (_, index) => from + index);
        });
        // The number before a first receipt is nobody's business: files may begin anywhere.
        expect(named.sort((a, b) => a - b)).toEqual(left.sort((a, b) => a - b));
      }),
    );
  });

  test("is not valid when its lines come in another order", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 5, maxLength: 5 }), (order) => {
        fc.pre(order.some((number, index) => number !== index + 1));
        const lines = fileOf(5);
        const shuffled = [lines[0] ?? "", ...order.map((line) => lines[line] ?? ""), lines[6] ?? ""];
        expect(verdictOn(shuffled).problems.some(({ kind }) => kind === "reordered")).toBe(true);
      }),
    );
  });

  test("names the line and the fault", () => {
    const whole = fileOf(4);
    const changed = whole.with(2, (whole[2] ?? "").replace('"sentBytes":"20"', '"sentBytes":"10"'));
    expect(accusations(changed)).toEqual(["3 changed", "6 changed"]);
    expect(accusations(whole.toSpliced(3, 1))).toEqual(["4 missing", "5 changed"]);
    expect(accusations(whole.toSpliced(4, 1))).toEqual(["5 missing", "5 changed"]);
    expect(accusations(whole.toSpliced(3, 0, whole[3] ?? ""))).toEqual(["5 repeated", "7 changed"]);
    expect(accusations(whole.slice(0, -1))).toEqual(["5 unsigned"]);
    expect(accusations(whole.slice(1))).toEqual(["1 missing", "5 wrong_signature"]);
    expect(accusations(whole, Buffer.alloc(32).toString("base64"))).toEqual([
      "1 wrong_signature",
      "6 wrong_signature",
    ]);
    expect(accusations([...whole, "more"])).toEqual(["7 unreadable"]);
  });

  test("that somebody forged from one line on, hashes and all, fails where the forgery meets the signature", () => {
    const lines = fileOf(3);
    const forged = fileOf(3, { label: "Paris, France" });
    expect(accusations([...forged.slice(0, -1), lines.at(-1) ?? ""])).toEqual(["5 changed"]);
  });

  test("may be any text at all: the verdict never throws", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json(), fc.constantFrom(...fileOf(2)))), (lines) => {
        verdictOn(lines);
      }),
    );
  });
});
