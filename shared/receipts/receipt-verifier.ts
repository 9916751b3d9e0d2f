import { CHAIN_START, canonicalReceipt } from "./receipt.ts";
import {
  canonicalEnd,
  type ReceiptLine,
  type ReceiptsEnd,
  type ReceiptsHeader,
  readReceiptLine,
} from "./receipt-line.ts";
import { ReceiptTotals, sameTotals, type TotalsText } from "./receipt-totals.ts";

/** What a receipt file's line can be accused of. */
export type ReceiptProblemKind =
  | "unreadable"
  | "changed"
  | "missing"
  | "reordered"
  | "repeated"
  | "foreign"
  | "unsigned"
  | "wrong_signature";

/** What is wrong, and in which line, from 1. */
export interface ReceiptProblem {
  readonly line: number;
  readonly kind: ReceiptProblemKind;
  /** For people. */
  readonly sentence: string;
}

/** What came out of verifying a file. */
export interface ReceiptVerdict {
  /** In the order of the lines; at most MAX_PROBLEMS. */
  readonly problems: readonly ReceiptProblem[];
  /** How many there are, those that are not listed included. */
  readonly problemCount: number;
  readonly credential: string | null;
  /** The key that the file names. */
  readonly key: string | null;
  readonly receipts: number;
  readonly firstNumber: number | null;
  readonly lastNumber: number | null;
  readonly totals: TotalsText;
  /** When the server signed the file, milliseconds since 1970; null when the signature is missing or wrong. */
  readonly signedAt: number | null;
}

/** Cryptography, which differs between Node and browsers. */
export interface ReceiptCryptography {
  /** SHA-256 of the text in UTF-8, 64 hexadecimal digits. */
  sha256(text: string): string;
  /** Ed25519 (RFC 8032) over the text in UTF-8; key and signature in base64. Never throws. */
  verify(key: string, text: string, signature: string): boolean;
}

const MAX_PROBLEMS = 100;

/** Of a file with more holes than this, one need not know which were filled later on. */
const MAX_GAPS = 1_000;

/** Numbers that have not come yet, although later ones have. */
interface Gap {
  from: number;
  to: number;
  /** Where it was noticed. */
  readonly line: number;
}

/**
 * Verifies a file of receipts line by line: that no line was changed, that none is missing, moved or there twice, and
 * that the server signed where the chain ends. Takes any text, in constant memory, and never throws.
 */
export class ReceiptVerifier {
  readonly #cryptography: ReceiptCryptography;
  /** The key that is believed, when the user has one; else the file's own. */
  readonly #trustedKey: string | undefined;
  readonly #problems: ReceiptProblem[] = [];
  #problemCount = 0;
  #line = 0;
  #header: ReceiptsHeader | undefined;
  #end: ReceiptsEnd | undefined;
  #signedAt: number | null = null;
  #first: number | null = null;
  #last: { number: number; hash: string } | undefined;
  #gaps: Gap[] = [];
  #receipts = 0;
  readonly #totals = new ReceiptTotals();

  constructor(cryptography: ReceiptCryptography, trustedKey?: string) {
    this.#cryptography = cryptography;
    this.#trustedKey = trustedKey;
  }

  /** Takes the next line, without its end. Empty lines are passed over. */
  line(text: string): void {
    this.#line += 1;
    if (text.trim() === "") return;
    const line = readReceiptLine(text);
    if (line.kind === "unreadable") this.#accuse("unreadable", `The line cannot be read: ${line.problem}.`);
    else if (this.#end !== undefined) this.#accuse("foreign", "The line stands after the file's signed end.");
    else if (line.kind === "receipts") this.#begin(line);
    else if (line.kind === "receipt") this.#receipt(line);
    else this.#finish(line);
  }

  /** @returns what came out, once all lines were given */
  end(): ReceiptVerdict {
    for (const { from, to, line } of this.#gaps) {
      const which = from === to ? `Receipt ${from} is missing` : `Receipts ${from} to ${to} are missing`;
      this.#accuse("missing", `${which} before this line.`, line);
    }
    this.#gaps = [];
    if (this.#header === undefined)
      this.#accuse("missing", "The first line, which says whose receipts these are, is missing.", 1);
    if (this.#end === undefined) {
      this.#accuse(
        "unsigned",
        "The last line, with the server's signature, is missing: later receipts may be, too.",
      );
    }
    return {
      problems: this.#problems.toSorted((a, b) => a.line - b.line),
      problemCount: this.#problemCount,
      credential: this.#header?.credential ?? null,
      key: this.#header?.key ?? null,
      receipts: this.#receipts,
      firstNumber: this.#first,
      lastNumber: this.#last?.number ?? null,
      totals: this.#totals.text(),
      signedAt: this.#signedAt,
    };
  }

  #begin(header: ReceiptsHeader): void {
    if (this.#header !== undefined || this.#receipts > 0) {
      this.#accuse("reordered", "A file's first line stands in the middle of it.");
      return;
    }
    this.#header = header;
    if (this.#trustedKey !== undefined && this.#trustedKey !== header.key) {
      this.#accuse("wrong_signature", "The file names another key than the one you trust.");
    }
  }

  #receipt(receipt: ReceiptLine): void {
    if (this.#header !== undefined && receipt.credential !== this.#header.credential) {
      this.#accuse("foreign", `Receipt ${receipt.number} is another credential's: ${receipt.credential}.`);
      return;
    }
    this.#receipts += 1;
    this.#totals.add(receipt);
    if (this.#cryptography.sha256(canonicalReceipt(receipt)) !== receipt.hash) {
      this.#accuse("changed", `Receipt ${receipt.number} was changed: its hash does not fit what it says.`);
    }
    this.#place(receipt);
  }

  /** Where it stands among the others. */
  #place({ number, previous, hash }: ReceiptLine): void {
    const last = this.#last;
    if (last === undefined) {
      this.#first = number;
      if (number === 1 && previous !== CHAIN_START) {
        this.#accuse("changed", "Receipt 1 was changed: it is the first and names one before it.");
      }
    } else if (number <= last.number) {
      this.#placeEarlier(number, last.number);
      return;
    } else if (number > last.number + 1) {
      this.#noteGap(last.number + 1, number - 1);
    } else if (previous !== last.hash) {
      this.#accuse(
        "changed",
        `Receipt ${number} does not follow from receipt ${last.number}: one of them was changed.`,
      );
    }
    this.#last = { number, hash };
  }

  #noteGap(from: number, to: number): void {
    if (this.#gaps.length < MAX_GAPS) this.#gaps.push({ from, to, line: this.#line });
    else this.#accuse("missing", `Receipts ${from} to ${to} are missing before this line.`);
  }

  #placeEarlier(number: number, last: number): void {
    const gap = this.#gaps.find(({ from, to }) => number >= from && number <= to);
    if (gap === undefined) {
      const kind = this.#first !== null && number < this.#first ? "reordered" : "repeated";
      const what = kind === "repeated" ? "is there twice" : `stands after receipt ${last}`;
      this.#accuse(kind, `Receipt ${number} ${what}.`);
      return;
    }
    this.#accuse("reordered", `Receipt ${number} stands after receipt ${last}.`);
    const rest = [
      { ...gap, to: number - 1 },
      { ...gap, from: number + 1 },
    ].filter(({ from, to }) => from <= to);
    const kept = this.#gaps.length < MAX_GAPS ? rest : rest.slice(0, 1);
    this.#gaps = this.#gaps.flatMap((one) => (one === gap ? kept : [one]));
  }

  #finish(end: ReceiptsEnd): void {
    this.#end = end;
    const key = this.#trustedKey ?? this.#header?.key;
    const isSigned = key !== undefined && this.#cryptography.verify(key, canonicalEnd(end), end.signature);
    if (isSigned) this.#signedAt = end.signedAt;
    else this.#accuse("wrong_signature", "The signature is not the server's over this end of the file.");
    if (this.#header !== undefined && end.credential !== this.#header.credential) {
      this.#accuse("foreign", `The end is that of another credential's file: ${end.credential}.`);
    }
    const last = this.#last ?? { number: 0, hash: CHAIN_START };
    if (end.lastNumber > last.number) {
      const missing = `the server signed up to receipt ${end.lastNumber}, and the last one here is ${last.number}`;
      this.#accuse("missing", `Receipts are missing at the end: ${missing}.`);
    } else if (end.lastNumber !== last.number || end.lastHash !== last.hash) {
      this.#accuse("changed", `Receipt ${last.number} is not the one that the server signed as the last.`);
    }
    if (end.count !== this.#receipts || !sameTotals(end, this.#totals.text())) {
      this.#accuse("changed", "What the receipts come to is not what the server signed.");
    }
  }

  #accuse(kind: ReceiptProblemKind, sentence: string, line = Math.max(1, this.#line)): void {
    this.#problemCount += 1;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ line, kind, sentence });
  }
}
