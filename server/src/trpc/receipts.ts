import { bytesText } from "@atlantic/shared/control/messages.ts";
import { z } from "zod";
import { procedure, router } from "./procedures.ts";
import { credentialId, moment } from "./shapes.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/);

const receiptShape = z.object({
  credential: z.string(),
  number: z.int().positive(),
  previous: hash,
  connection: z.uuid(),
  openedAt: moment,
  closedAt: moment,
  protocol: z.string(),
  target: z.string(),
  exitCountry: z.string().nullable(),
  exitLabel: z.string().nullable(),
  exitAddress: z.string().nullable(),
  sentBytes: bytesText,
  receivedBytes: bytesText,
  requests: z.int().nonnegative(),
  unchargedSentBytes: bytesText,
  unchargedReceivedBytes: bytesText,
  tlsBytes: bytesText,
  attempts: z.int().positive(),
  failover: z.string().nullable(),
  outcome: z.string(),
  hash,
});

const span = { from: moment.optional(), until: moment.optional() };

export const receiptsRouter = router({
  list: procedure
    .meta({
      openapi: {
        method: "GET",
        path: "/receipts/{credentialId}",
        tags: ["receipts"],
        summary: "Receipts of a credential's connections, the first first",
      },
    })
    .input(
      z.object({
        credentialId,
        limit: z.number().int().min(1).max(1_000).default(100),
        /** `next` of the last answer. */
        after: z.number().int().nonnegative().default(0),
      }),
    )
    .output(z.object({ receipts: z.array(receiptShape), next: z.int().nullable() }))
    .query(({ ctx, input }) => ctx.services.receipts.list(ctx.caller, input)),

  /** A file's lines as they are read; over REST it is /api/v1/receipts/CREDENTIAL/file. */
  download: procedure.input(z.object({ credentialId, ...span })).query(({ ctx, input }) =>
    ctx.services.receipts.file(ctx.caller, input.credentialId, {
      from: input.from === undefined ? undefined : new Date(input.from),
      until: input.until === undefined ? undefined : new Date(input.until),
    }),
  ),
});
