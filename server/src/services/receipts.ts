import { CHAIN_START, type HashedReceipt } from "@atlantic/shared/receipts/receipt.ts";
import { canonicalEnd, writeReceiptLine } from "@atlantic/shared/receipts/receipt-line.ts";
import { ReceiptTotals } from "@atlantic/shared/receipts/receipt-totals.ts";
import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import type { ReceiptKey } from "../metering/receipt-key.ts";
import { readReceipts } from "../metering/stored-receipts.ts";
import { authorise, type Caller } from "./caller.ts";
import { ServiceError } from "./errors.ts";

/** Receipts between these moments, the second excluded; the connection's end counts. */
export interface ReceiptSpan {
  readonly from?: Date | undefined;
  readonly until?: Date | undefined;
}

/** Receipts read at a time. */
const PAGE = 1_000;

/** What a credential's connections carried, for its owner to keep and to show (docs/receipts.md). */
export class ReceiptService {
  readonly #db: Kysely<Schema>;
  readonly #key: ReceiptKey;
  readonly #now: () => Date;

  constructor(parts: { db: Kysely<Schema>; key: ReceiptKey; now: () => Date }) {
    this.#db = parts.db;
    this.#key = parts.key;
    this.#now = parts.now;
  }

  /** With which the server signs: 32 bytes in base64, no secret. */
  get publicKey(): string {
    return this.#key.publicKey;
  }

  /**
   * Receipts of a credential, the first first.
   *
   * @param wanted.after the number after which to go on
   * @throws ServiceError not_found for a credential that is not the caller's
   */
  async list(
    caller: Caller,
    wanted: { credentialId: string; limit: number; after: number },
  ): Promise<{ receipts: HashedReceipt[]; next: number | null }> {
    await this.#own(caller, wanted.credentialId);
    const found = await readReceipts(this.#db, wanted.credentialId, {
      after: wanted.after,
      last: Number.MAX_SAFE_INTEGER,
      limit: wanted.limit + 1,
    });
    const receipts = found.slice(0, wanted.limit);
    return { receipts, next: found.length > wanted.limit ? (receipts.at(-1)?.number ?? null) : null };
  }

  /**
   * A file of receipts, line by line without the lines' ends: all of them or those of a span, whole and in order. A
   * span's file has every number between its first and its last.
   *
   * @throws ServiceError not_found for a credential that is not the caller's; nothing was yielded then
   */
  async file(caller: Caller, credential: string, span: ReceiptSpan): Promise<AsyncGenerator<string>> {
    await this.#own(caller, credential);
    return this.#lines(credential, await this.#numbers(credential, span));
  }

  async *#lines(credential: string, numbers: { after: number; last: number }): AsyncGenerator<string> {
    yield JSON.stringify({ kind: "receipts", version: 1, credential, key: this.publicKey });
    const totals = new ReceiptTotals();
    let count = 0;
    let lastHash = CHAIN_START;
    for (let after = numbers.after; after < numbers.last; ) {
      const receipts = await readReceipts(this.#db, credential, { after, last: numbers.last, limit: PAGE });
      for (const receipt of receipts) {
        totals.add(receipt);
        yield writeReceiptLine(receipt);
      }
      const last = receipts.at(-1);
      if (last === undefined) break;
      count += receipts.length;
      after = last.number;
      lastHash = last.hash;
    }
    const end = {
      credential,
      count,
      ...totals.text(),
      lastNumber: count === 0 ? 0 : numbers.last,
      lastHash,
      signedAt: this.#now().getTime(),
    };
    yield JSON.stringify({ kind: "end", ...end, signature: this.#key.sign(canonicalEnd(end)) });
  }

  async #own(caller: Caller, credentialId: string): Promise<void> {
    const { userId } = authorise(caller, "usage.read");
    const found = await this.#db
      .selectFrom("proxy_credentials")
      .select("id")
      .where("id", "=", credentialId)
      .where("user_id", "=", userId)
      .executeTakeFirst();
    if (found === undefined) throw new ServiceError("not_found", "There is no such credential.");
  }

  async #numbers(
    credentialId: string,
    { from, until }: ReceiptSpan,
  ): Promise<{ after: number; last: number }> {
    let query = this.#db
      .selectFrom("proxy_connections")
      .select(({ fn }) => [fn.min("receipt_number").as("first"), fn.max("receipt_number").as("last")])
      .where("credential_id", "=", credentialId)
      .where("receipt_number", "is not", null);
    if (from !== undefined) query = query.where("closed_at", ">=", from);
    if (until !== undefined) query = query.where("closed_at", "<", until);
    const { first, last } = await query.executeTakeFirstOrThrow();
    return { after: Number(first ?? 1n) - 1, last: Number(last ?? 0n) };
  }
}
