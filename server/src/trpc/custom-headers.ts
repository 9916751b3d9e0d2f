import { z } from "zod";
import { procedure, router } from "./procedures.ts";
import { credentialId } from "./shapes.ts";

const tags = ["limits"];

const headers = z
  .array(z.object({ name: z.string().min(1).max(64), value: z.string().max(2_048), enabled: z.boolean() }))
  .max(32);

export const customHeadersRouter = router({
  get: procedure
    .meta({
      openapi: {
        method: "GET",
        path: "/custom-headers",
        tags,
        summary: "The header fields that plain HTTP requests get, of all credentials or of one",
      },
    })
    .input(z.object({ credentialId: credentialId.optional() }))
    .output(z.object({ headers }))
    .query(async ({ ctx, input }) => ({
      headers: await ctx.services.customHeaders.get(ctx.caller, input.credentialId ?? null),
    })),

  set: procedure
    .meta({
      openapi: {
        method: "PUT",
        path: "/custom-headers",
        tags,
        summary: "Set the header fields of all credentials, or of one; they hold within a second",
      },
    })
    .input(z.object({ credentialId: credentialId.nullable(), headers }))
    .output(z.object({ headers }))
    .mutation(async ({ ctx, input }) => ({
      headers: await ctx.services.customHeaders.set(ctx.caller, input.credentialId, input.headers),
    })),
});
