import { z } from "zod";
import type { UsageWatch } from "../services/usage.ts";
import { procedure, router } from "./procedures.ts";
import { moment, presentSummary, presentTotals, summaryShape, totalsShape } from "./shapes.ts";

const tags = ["usage"];
const range = z.object({ range: z.enum(["day", "week", "month"]) });

const liveShape = summaryShape.extend({ at: moment, openConnections: z.int().nonnegative() });
type LiveUsage = z.infer<typeof liveShape>;

/** The shortest time between two messages of the subscription. */
const LIVE_INTERVAL_MS = 500;

/** The longest: what another process's gateway or a top-up changed is seen by then. */
const IDLE_INTERVAL_MS = 10_000;

export const usageRouter = router({
  summary: procedure
    .meta({
      openapi: { method: "GET", path: "/usage", tags, summary: "This month's traffic and what is left" },
    })
    .input(z.void())
    .output(summaryShape)
    .query(async ({ ctx }) => presentSummary(await ctx.services.usage.summary(ctx.caller))),

  series: procedure
    .meta({ openapi: { method: "GET", path: "/usage/series", tags, summary: "Traffic over time" } })
    .input(range)
    .output(z.object({ bucketMs: z.int().positive(), points: z.array(totalsShape.extend({ at: moment })) }))
    .query(async ({ ctx, input }) => {
      const { bucketMs, points } = await ctx.services.usage.series(ctx.caller, input.range);
      return {
        bucketMs,
        points: points.map((point) => ({ at: point.at.getTime(), ...presentTotals(point) })),
      };
    }),

  byExit: procedure
    .meta({ openapi: { method: "GET", path: "/usage/by-exit", tags, summary: "Traffic by country of exit" } })
    .input(range)
    .output(
      z.object({
        exits: z.array(totalsShape.extend({ country: z.string().nullable(), label: z.string() })),
      }),
    )
    .query(async ({ ctx, input }) => {
      const exits = await ctx.services.usage.byExit(ctx.caller, input.range);
      return {
        exits: exits.map(({ country, label, ...used }) => ({ country, label, ...presentTotals(used) })),
      };
    }),

  /** Says at once how things are, then again when something changed, at most twice a second. */
  live: procedure.subscription(({ ctx, signal }) =>
    liveUsage(ctx.services.usage.watch(ctx.caller), signal ?? new AbortController().signal),
  ),
});

async function* liveUsage(watch: UsageWatch, signal: AbortSignal): AsyncGenerator<LiveUsage> {
  let changed = Promise.withResolvers<void>();
  const stopListening = watch.onChange(() => changed.resolve());
  const aborted = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  try {
    while (!signal.aborted) {
      changed = Promise.withResolvers<void>();
      const { at, openConnections, ...summary } = await watch.read();
      yield { at: at.getTime(), openConnections, ...presentSummary(summary) };
      await Promise.race([pause(LIVE_INTERVAL_MS), aborted]);
      await Promise.race([changed.promise, pause(IDLE_INTERVAL_MS), aborted]);
    }
  } finally {
    stopListening();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}
