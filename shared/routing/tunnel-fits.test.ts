import { describe, expect, it } from "vitest";
import type { Attribution } from "../control/attribution.ts";
import type { BrowserPlan } from "../control/messages.ts";
import { DIRECT, type Route, type RouteId, routeId } from "./route.ts";
import { tunnelFits } from "./tunnel-fits.ts";

const us: Route = { kind: "exit", exit: { country: "us" } };
const de: Route = { kind: "exit", exit: { country: "de" } };
const [US, DE] = [routeId(us), routeId(de)];
const routes = { [US]: us, [DE]: de, [routeId(DIRECT)]: DIRECT };

function attributed(tabs: BrowserPlan["tabs"], perRequest = false): Parameters<typeof tunnelFits>[1] {
  return { mode: { kind: "attributed", perRequest, imagesMayBeChallenged: false }, routes, tabs };
}
const tab = (tabId: number, site: string, id: RouteId, own = false): Attribution =>
  own ? { kind: "tab", tabId, site, routeId: id, own: true } : { kind: "tab", tabId, site, routeId: id };

describe("tunnelFits", () => {
  it("lets only the route of a steady plan through", () => {
    const plan = { mode: { kind: "steady" as const, routeId: US }, routes, tabs: [] };
    expect(tunnelFits({ kind: "steady", routeId: US }, plan)).toBe(true);
    expect(tunnelFits({ kind: "steady", routeId: DE }, plan)).toBe(false);
    expect(tunnelFits(tab(1, "a.test", US), plan)).toBe(true);
    expect(tunnelFits(tab(1, "a.test", DE), plan)).toBe(false);
  });

  it("ends unattributed tunnels when a second route comes, because nobody knows whose they are", () => {
    expect(tunnelFits({ kind: "steady", routeId: US }, attributed([]))).toBe(false);
  });

  it("ends a pooled tunnel when any tab has its site under another route", () => {
    const plan = attributed([{ tabId: 2, site: "a.test", routeId: DE }]);
    expect(tunnelFits(tab(1, "a.test", US), plan)).toBe(false);
    expect(tunnelFits(tab(1, "b.test", US), plan)).toBe(true);
    expect(tunnelFits({ kind: "worker", site: "a.test", routeId: US }, plan)).toBe(false);
  });

  it("keeps another tab's tunnels of the same site in per-request mode, and ends those of a tab that has moved", () => {
    const plan = attributed(
      [
        { tabId: 1, site: "a.test", routeId: US },
        { tabId: 2, site: "a.test", routeId: DE },
      ],
      true,
    );
    expect(tunnelFits(tab(1, "a.test", US), plan)).toBe(true);
    expect(tunnelFits(tab(2, "a.test", US), plan)).toBe(false);
    expect(tunnelFits(tab(2, "a.test", DE, true), plan)).toBe(true);
  });

  it("refuses a route that the plan does not know", () => {
    const plan = { ...attributed([]), routes: { [US]: us } };
    expect(tunnelFits(tab(1, "a.test", DE), plan)).toBe(false);
  });
});
