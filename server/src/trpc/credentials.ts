import { z } from "zod";
import { procedure, router } from "./procedures.ts";
import { credentialId, credentialShape, presentCredential } from "./shapes.ts";

const tags = ["credentials"];
const one = z.object({ id: credentialId });
const issued = z.object({
  credential: credentialShape,
  /** Shown now and never again. */
  password: z.string(),
});

export const credentialsRouter = router({
  list: procedure
    .meta({
      openapi: { method: "GET", path: "/credentials", tags, summary: "The account's gateway credentials" },
    })
    .input(z.void())
    .output(z.object({ credentials: z.array(credentialShape) }))
    .query(async ({ ctx }) => {
      const credentials = await ctx.services.credentials.list(ctx.caller);
      return { credentials: credentials.map(presentCredential) };
    }),

  create: procedure
    .meta({
      openapi: {
        method: "POST",
        path: "/credentials",
        tags,
        summary: "Issue a credential; its password is in this answer only",
      },
    })
    .input(z.object({ label: z.string().trim().min(1).max(100) }))
    .output(issued)
    .mutation(async ({ ctx, input }) => {
      const { credential, password } = await ctx.services.credentials.create(ctx.caller, input.label);
      return { credential: presentCredential(credential), password };
    }),

  rotate: procedure
    .meta({
      openapi: {
        method: "POST",
        path: "/credentials/{id}/rotate",
        tags,
        summary: "Give a credential another password and end its connections",
      },
    })
    .input(one)
    .output(issued)
    .mutation(async ({ ctx, input }) => {
      const { credential, password } = await ctx.services.credentials.rotate(ctx.caller, input.id);
      return { credential: presentCredential(credential), password };
    }),

  revoke: procedure
    .meta({
      openapi: {
        method: "POST",
        path: "/credentials/{id}/revoke",
        tags,
        summary: "End a credential and its connections",
      },
    })
    .input(one)
    .output(z.object({ credential: credentialShape }))
    .mutation(async ({ ctx, input }) => ({
      credential: presentCredential(await ctx.services.credentials.revoke(ctx.caller, input.id)),
    })),
});
