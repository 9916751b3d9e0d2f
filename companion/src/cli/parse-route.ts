import type { ExitView, RouteScope } from "@atlantic/shared/control/messages.ts";
import { exitSelectorSchema } from "@atlantic/shared/exits/selector.ts";
import { BLOCK, DIRECT, type Route } from "@atlantic/shared/routing/route.ts";
import { ClearError } from "../clear-error.ts";

/**
 * Reads `direct`, `block`, an id that `atlantic exits` lists, or a country with an optional city (`de`, `us-new_york`).
 * @throws ClearError
 */
export function parseRoute(text: string, exits: readonly ExitView[]): Route {
  const wanted = text.toLowerCase();
  if (wanted === "direct") return DIRECT;
  if (wanted === "block") return BLOCK;
  const listed = exits.find(({ id }) => id === wanted);
  if (listed) return { kind: "exit", exit: listed.exit };
  const [country, city] = wanted.split("-", 2);
  const exit = exitSelectorSchema.safeParse({ country, ...(city !== undefined && { city }) });
  const isOffered =
    exits.length === 0 || exits.some((one) => one.exit.country === country && city === undefined);
  if (exit.success && isOffered) return { kind: "exit", exit: exit.data };
  throw new ClearError(
    `"${text}" is no exit: atlantic exits lists them; direct and block are the other routes.`,
  );
}

export interface ScopeOptions {
  readonly tab?: string;
  readonly site?: string;
  readonly everything?: boolean;
}

/** @throws ClearError when not exactly one scope is given */
export function parseScope({ tab, site, everything }: ScopeOptions): RouteScope {
  const given = [tab, site, everything].filter((option) => option !== undefined);
  if (given.length !== 1) {
    throw new ClearError("Say for what: one of --tab N, --site NAME or --everything.");
  }
  if (site !== undefined) return { kind: "site", site: site.toLowerCase() };
  if (tab === undefined) return { kind: "everything" };
  if (!/^\d{1,10}$/.test(tab))
    throw new ClearError(`--tab takes a tab's number, as atlantic route lists them, not "${tab}".`);
  return { kind: "tab", tabId: Number(tab) };
}
