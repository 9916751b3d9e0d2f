import { z } from "zod";
import { procedure, router } from "./procedures.ts";

const tags = ["limits"];

const settings = z.object({
  enabled: z.boolean(),
  minutes: z.int().min(1).max(1_440),
  mode: z.enum(["flex", "strict", "oneip"]),
});

export const sessionsRouter = router({
  getSettings: procedure
    .meta({
      openapi: {
        method: "GET",
        path: "/sessions/settings",
        tags,
        summary: "The sticky session that user names without one get",
      },
    })
    .input(z.void())
    .output(settings)
    .query(({ ctx }) => ctx.services.sessionSettings.get(ctx.caller)),

  setSettings: procedure
    .meta({
      openapi: {
        method: "PUT",
        path: "/sessions/settings",
        tags,
        summary: "Set the sticky session that user names without one get",
      },
    })
    .input(settings)
    .output(settings)
    .mutation(({ ctx, input }) => ctx.services.sessionSettings.set(ctx.caller, input)),
});
