import { hash } from "node:crypto";
import { canonicalReceipt, type Receipt } from "@atlantic/shared/receipts/receipt.ts";

/** A credential whose row is locked: whose it is, and where its chain of receipts ends. */
export interface LockedCredential {
  readonly id: string;
  readonly userId: string;
  readonly lastNumber: number;
  readonly lastHash: Uint8Array;
}

/** A credential's chain while receipts are added to it. */
export class ReceiptChain {
  readonly credentialId: string;
  readonly userId: string;
  number: number;
  /** Of the last receipt, hexadecimal. */
  hash: string;
  grown = false;

  constructor(head: LockedCredential) {
    this.credentialId = head.id;
    this.userId = head.userId;
    this.number = head.lastNumber;
    this.hash = Buffer.from(head.lastHash).toString("hex");
  }

  /** Adds the receipt of a connection that has ended. @returns its number and its hash */
  add(facts: Omit<Receipt, "credential" | "number" | "previous">): { number: number; hash: Buffer } {
    this.number += 1;
    this.hash = receiptHash({
      ...facts,
      credential: this.credentialId,
      number: this.number,
      previous: this.hash,
    });
    this.grown = true;
    return { number: this.number, hash: Buffer.from(this.hash, "hex") };
  }
}

/** SHA-256 over the receipt's canonical form, hexadecimal. */
export function receiptHash(receipt: Receipt): string {
  return hash("sha256", canonicalReceipt(receipt), "hex");
}
