import { Readable } from "node:stream";
import type { Middleware } from "koa";
import { z } from "zod";
import { ServiceError, type ServiceErrorCode } from "../services/errors.ts";
import type { ReceiptService } from "../services/receipts.ts";
import type { CallerOf } from "./caller.ts";

const KEY_PATH = "/api/v1/receipts/key";
const FILE_PATH = /^\/api\/v1\/receipts\/(atl_[a-z0-9]{8})\/file$/;

const moment = z.coerce
  .number()
  .int()
  .nonnegative()
  .max(8.64e15)
  .transform((milliseconds) => new Date(milliseconds));
const spanSchema = z.object({ from: moment.optional(), until: moment.optional() });

const statuses: Readonly<Record<ServiceErrorCode, number>> = {
  not_signed_in: 401,
  not_allowed: 403,
  not_found: 404,
  invalid: 400,
  too_many: 429,
  unavailable: 503,
};

/**
 * What the REST of the procedures cannot do: `GET /api/v1/receipts/key`, for everybody, and
 * `GET /api/v1/receipts/CREDENTIAL/file?from=&until=`, a file of any length, sent as it is read.
 */
export function receiptRoutes(parts: { receipts: ReceiptService; callerOf: CallerOf }): Middleware {
  return async (context, next) => {
    if (context.method !== "GET") return next();
    if (context.path === KEY_PATH) {
      context.body = { key: parts.receipts.publicKey, algorithm: "Ed25519" };
      return;
    }
    const credential = FILE_PATH.exec(context.path)?.[1];
    if (credential === undefined) return next();
    try {
      const span = spanSchema.safeParse(context.query);
      if (!span.success) throw new ServiceError("invalid", "from and until are milliseconds since 1970.");
      const caller = await parts.callerOf(context.req);
      if (caller === null) throw new ServiceError("not_signed_in", "Sign in first.");
      const lines = await parts.receipts.file(caller, credential, span.data);
      context.set("Cache-Control", "no-store");
      context.attachment(`receipts-${credential}.jsonl`);
      context.type = "application/jsonl";
      context.body = Readable.from(ended(lines));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      context.status = statuses[error.code];
      context.body = { message: error.message };
    }
  };
}

/** Many short lines at a time: each chunk of a stream has its price. */
async function* ended(lines: AsyncGenerator<string>): AsyncGenerator<string> {
  let text = "";
  for await (const line of lines) {
    text += `${line}\n`;
    if (text.length < 65_536) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}
