import { z } from "zod";
import { procedure, router } from "./procedures.ts";
import { moment } from "./shapes.ts";

export const accountRouter = router({
  get: procedure
    .meta({ openapi: { method: "GET", path: "/account", tags: ["account"], summary: "The account itself" } })
    .input(z.void())
    .output(
      z.object({
        id: z.string(),
        email: z.string(),
        name: z.string(),
        createdAt: moment,
        hasPassword: z.boolean(),
      }),
    )
    .query(async ({ ctx }) => {
      const account = await ctx.services.account.get(ctx.caller);
      return { ...account, createdAt: account.createdAt.getTime() };
    }),
});
