import type { ExitView } from "@atlantic/shared/control/messages.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { Route } from "@atlantic/shared/routing/route.ts";

/** The exit of the list that a route names, when it is in the list. */
export function exitOfRoute(route: Route, exits: readonly ExitView[]): ExitView | undefined {
  return route.kind === "exit" ? exits.find(({ exit }) => sameSelector(exit, route.exit)) : undefined;
}

/** Whether two routes lead to the same place. */
export function sameRoute(a: Route, b: Route): boolean {
  return a.kind === "exit" && b.kind === "exit" ? sameSelector(a.exit, b.exit) : a.kind === b.kind;
}

/** A route for people: "Berlin, Germany", "No exit, direct", "Blocked". */
export function nameOfRoute(route: Route, exits: readonly ExitView[]): string {
  if (route.kind === "direct") return "No exit, direct";
  if (route.kind === "block") return "Blocked";
  return exitOfRoute(route, exits)?.label ?? nameOfSelector(route.exit);
}

/** A country in the reader's language: `de` is "Germany". */
export function nameOfCountry(code: string): string {
  return (
    new Intl.DisplayNames(undefined, { type: "region", fallback: "code" }).of(code.toUpperCase()) ?? code
  );
}

function nameOfSelector(exit: ExitSelector): string {
  const city = exit.city ?? exit.region;
  const parts = [city && titleCase(city), exit.country && nameOfCountry(exit.country)].filter(Boolean);
  return parts.length > 0 ? parts.join(", ") : "Any exit";
}

function titleCase(place: string): string {
  return place.replaceAll("_", " ").replace(/\b\p{Ll}/gu, (letter) => letter.toUpperCase());
}

function sameSelector(a: ExitSelector, b: ExitSelector): boolean {
  return canonical(a) === canonical(b);
}

function canonical(exit: ExitSelector): string {
  const given = Object.entries(exit).filter(([, value]) => value !== undefined);
  return JSON.stringify(given.sort(([x], [y]) => (x < y ? -1 : 1)));
}
