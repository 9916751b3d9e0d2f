import { exitViewSchema } from "@atlantic/shared/control/messages.ts";
import { z } from "zod";
import { procedure, router } from "./procedures.ts";

const exitShape = exitViewSchema.extend({
  servers: z.int().nonnegative(),
  /** The share of checks that succeeded; null before the first. */
  uptime: z.number().min(0).max(1).nullable(),
});

export const exitsRouter = router({
  list: procedure
    .meta({
      openapi: {
        method: "GET",
        path: "/exits",
        tags: ["exits"],
        summary: "The places where traffic can leave",
      },
    })
    .input(z.void())
    .output(z.object({ exits: z.array(exitShape) }))
    .query(async ({ ctx }) => ({ exits: await ctx.services.exits.list(ctx.caller) })),
});
