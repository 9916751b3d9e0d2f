import { z } from "zod";
import { procedure, router } from "./procedures.ts";
import { connectionShape, presentConnection } from "./shapes.ts";

export const connectionsRouter = router({
  list: procedure
    .meta({
      openapi: {
        method: "GET",
        path: "/connections",
        tags: ["connections"],
        summary: "Connections through the gateway, the newest first",
      },
    })
    .input(
      z.object({
        open: z.boolean().optional(),
        limit: z.number().int().min(1).max(200).default(50),
        /** `next` of the last answer. */
        before: z.string().max(64).optional(),
      }),
    )
    .output(z.object({ connections: z.array(connectionShape), next: z.string().nullable() }))
    .query(async ({ ctx, input }) => {
      const { connections, next } = await ctx.services.connections.list(ctx.caller, input);
      return { connections: connections.map(presentConnection), next };
    }),
});
