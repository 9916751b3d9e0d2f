import { z } from "zod";

/** What gateways and web pages tell each other, over processes. */
export const changeSchema = z.discriminatedUnion("kind", [
  /** Credentials, limits, addresses or header fields of an account changed; null: of any of its credentials. */
  z.object({
    kind: z.literal("settings"),
    userId: z.string(),
    credentialId: z.string().nullable(),
    epoch: z.string().regex(/^\d+$/).optional(),
  }),
  /** Whoever has this connection is to end it. */
  z.object({ kind: z.literal("disconnect"), connectionId: z.string() }),
  /** Usage of these accounts was stored. */
  z.object({ kind: z.literal("usage"), userIds: z.array(z.string()) }),
]);

export type Change = z.infer<typeof changeSchema>;
