import { z } from "zod";
import { exitSelectorSchema } from "../exits/selector.ts";

/** What to do with a flow: let it go directly, block it, or send it through an exit. */
export const routeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("direct") }),
  z.object({ kind: z.literal("block") }),
  z.object({ kind: z.literal("exit"), exit: exitSelectorSchema }),
]);
export type Route = z.infer<typeof routeSchema>;

/** Names a route in attributions and plans: lower-case letters and digits, chosen by `routeId`. */
export const routeIdSchema = z
  .string()
  .regex(/^[a-z0-9]{1,32}$/)
  .brand<"RouteId">();
export type RouteId = z.infer<typeof routeIdSchema>;

export const DIRECT: Route = { kind: "direct" };
export const BLOCK: Route = { kind: "block" };

/**
 * The stable id of a route: two routes have the same id exactly when they mean the same thing.
 * FNV-1a over the canonical JSON, 64 bits in base 36: an id is compared, never trusted as a secret.
 */
export function routeId(route: Route): RouteId {
  if (route.kind !== "exit") return routeIdSchema.parse(route.kind);
  const canonical = JSON.stringify(Object.entries(route.exit).sort(([a], [b]) => (a < b ? -1 : 1)));
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(canonical)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return routeIdSchema.parse(`x${hash.toString(36)}`);
}
