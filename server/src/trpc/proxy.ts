import { exitSelectorSchema, exitSessionSchema } from "@atlantic/shared/exits/selector.ts";
import { z } from "zod";
import { explanationShape, presentExplanation } from "./explanation-shape.ts";
import { procedure, router } from "./procedures.ts";
import { connectionShape, credentialId, presentConnection } from "./shapes.ts";

const tags = ["proxy"];

export const proxyRouter = router({
  connect: procedure
    .meta({
      openapi: { method: "POST", path: "/proxy/connect", tags, summary: "How to connect through an exit" },
    })
    .input(
      z.object({
        exit: exitSelectorSchema,
        session: exitSessionSchema.optional(),
        /** The credential to connect with; the oldest live one when left out. */
        credentialId: credentialId.optional(),
      }),
    )
    .output(
      z.object({
        username: z.string(),
        host: z.string(),
        httpPort: z.int(),
        socksPort: z.int(),
        curlHttp: z.string(),
        curlSocks5: z.string(),
      }),
    )
    .mutation(({ ctx, input }) => ctx.services.proxy.connect(ctx.caller, input)),

  explain: procedure
    .meta({
      openapi: { method: "POST", path: "/proxy/explain", tags, summary: "What a proxy user name means" },
    })
    .input(z.object({ username: z.string().max(1_000) }))
    .output(explanationShape)
    .mutation(async ({ ctx, input }) =>
      presentExplanation(await ctx.services.explain.explain(ctx.caller, input.username)),
    ),

  status: procedure
    .meta({ openapi: { method: "GET", path: "/proxy/status", tags, summary: "What is connected now" } })
    .input(z.void())
    .output(z.object({ open: z.int().nonnegative(), connections: z.array(connectionShape) }))
    .query(async ({ ctx }) => {
      const { open, connections } = await ctx.services.proxy.status(ctx.caller);
      return { open, connections: connections.map(presentConnection) };
    }),

  disconnect: procedure
    .meta({ openapi: { method: "POST", path: "/proxy/disconnect", tags, summary: "End a connection" } })
    .input(z.object({ connectionId: z.uuid() }))
    .output(z.object({ closed: z.int().nonnegative() }))
    .mutation(({ ctx, input }) => ctx.services.proxy.disconnect(ctx.caller, input.connectionId)),
});
