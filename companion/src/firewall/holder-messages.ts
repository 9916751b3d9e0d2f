import { z } from "zod";
import type { NamedSet, RuleSet } from "./rule-set.ts";

/** What the holder is asked (native/fw/src/protocol.rs). */
export type HolderOrder =
  | { readonly do: "apply"; readonly rules: RuleSet }
  | { readonly do: "swap"; readonly sets: readonly NamedSet[] }
  | { readonly do: "open" }
  | { readonly do: "inspect" };

const troubleSchema = z.strictObject({
  kind: z.enum(["changed", "link", "setting", "unsaved", "failed"]),
  message: z.string(),
  openMs: z.number().nonnegative().nullable(),
});

const id = z.number().int().nonnegative();

/** What the holder says. */
export const holderSaidSchema = z.discriminatedUnion("is", [
  z.strictObject({
    is: z.literal("hello"),
    version: z.string(),
    table: z.string(),
    /** Whether the kernel lets nobody else change the table. */
    owned: z.boolean(),
    /** Whether this kernel can filter what leaves by a link. */
    egress: z.boolean(),
    blocking: z.boolean(),
    pid: z.number().int().positive(),
  }),
  z.strictObject({ is: z.literal("done"), id }),
  z.strictObject({ is: z.literal("refused"), id, reason: z.string() }),
  z.strictObject({
    is: z.literal("state"),
    id,
    generation: z.number().int().nonnegative(),
    digest: z.string().regex(/^[0-9a-f]{64}$/),
    intact: z.boolean(),
    blocking: z.boolean(),
  }),
  z.strictObject({ is: z.literal("trouble"), trouble: troubleSchema }),
]);

export type HolderSaid = z.infer<typeof holderSaidSchema>;
export type HolderHello = Extract<HolderSaid, { is: "hello" }>;
export type HolderAnswer = Extract<HolderSaid, { is: "done" | "refused" | "state" }>;
