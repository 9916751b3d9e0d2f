import { z } from "zod";
import type { Limits } from "../services/limits.ts";
import { procedure, router } from "./procedures.ts";
import { credentialId } from "./shapes.ts";

const tags = ["limits"];
const whose = z.object({ credentialId: credentialId.optional() });

/** A number, "unlimited" (of a credential: although the account has a limit), or null: as the account, or no limit. */
const limit = (most: number) => z.union([z.int().min(1).max(most), z.literal("unlimited")]).nullable();

/** 1 kB/s to 100 GB/s. */
const bandwidth = z.union([
  z
    .string()
    .regex(/^\d{4,12}$/, "bytes per second, at least 1000")
    .refine((text) => BigInt(text) >= 1_000n, "bytes per second, at least 1000"),
  z.literal("unlimited"),
]);

const patterns = z.array(z.string().min(1).max(300)).max(500);

const limitsShape = z.object({
  credentialId: credentialId.nullable(),
  requestsPerSecond: limit(100_000),
  /** Bytes per second as decimal text. */
  bandwidthLimit: bandwidth.nullable(),
  connections: limit(5_000),
  allowedPorts: patterns.nullable(),
  allowedTargets: patterns.nullable(),
  blockedTargets: patterns,
});

export const limitsRouter = router({
  get: procedure
    .meta({
      openapi: {
        method: "GET",
        path: "/limits",
        tags,
        summary: "The limits of the account, or of one of its credentials",
      },
    })
    .input(whose)
    .output(limitsShape)
    .query(async ({ ctx, input }) =>
      present(await ctx.services.limits.get(ctx.caller, input.credentialId ?? null)),
    ),

  set: procedure
    .meta({
      openapi: {
        method: "PUT",
        path: "/limits",
        tags,
        summary: "Set the limits of the account or of a credential; they hold within a second",
      },
    })
    .input(limitsShape)
    .output(limitsShape)
    .mutation(async ({ ctx, input }) => {
      const { bandwidthLimit: text, ...rest } = input;
      const bandwidthLimit = text === null || text === "unlimited" ? text : BigInt(text);
      return present(await ctx.services.limits.set(ctx.caller, { ...rest, bandwidthLimit }));
    }),
});

function present(limits: Limits): z.infer<typeof limitsShape> {
  const { bandwidthLimit, allowedPorts, allowedTargets, blockedTargets, ...rest } = limits;
  return {
    ...rest,
    bandwidthLimit: typeof bandwidthLimit === "bigint" ? String(bandwidthLimit) : bandwidthLimit,
    allowedPorts: allowedPorts && [...allowedPorts],
    allowedTargets: allowedTargets && [...allowedTargets],
    blockedTargets: [...blockedTargets],
  };
}
