import type { Middleware } from "koa";

/** How one part of the server is. */
export interface PartHealth {
  readonly state: "up" | "down" | "off";
  /** What is wrong or worth knowing, for people; never a secret. */
  readonly detail?: string;
}

/** Asks a part how it is; one that throws is down. */
export type HealthCheck = () => Promise<PartHealth> | PartHealth;

/** A part that has not answered by then is down. */
const PATIENCE_MS = 2_000;

/** GET /health: 200 when every part that should run runs, 503 otherwise, with the state of each. */
export function healthRoute(checks: Readonly<Record<string, HealthCheck>>): Middleware {
  return async (context, next) => {
    if (context.path !== "/health") return next();
    const names = Object.keys(checks);
    const states = await Promise.all(Object.values(checks).map(ask));
    const parts = Object.fromEntries(names.map((name, index) => [name, states[index]]));
    const healthy = states.every((part) => part.state !== "down");
    context.status = healthy ? 200 : 503;
    context.set("Cache-Control", "no-store");
    context.body = { state: healthy ? "up" : "down", parts };
  };
}

async function ask(check: HealthCheck): Promise<PartHealth> {
  const late = Promise.withResolvers<PartHealth>();
  const timer = setTimeout(() => late.resolve({ state: "down", detail: "no answer in time" }), PATIENCE_MS);
  try {
    return await Promise.race([check(), late.promise]);
  } catch {
    return { state: "down", detail: "cannot be reached" };
  } finally {
    clearTimeout(timer);
  }
}
