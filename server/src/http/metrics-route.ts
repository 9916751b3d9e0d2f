import { createHash, timingSafeEqual } from "node:crypto";
import type { Middleware } from "koa";
import { METRICS_CONTENT_TYPE } from "../metrics/text-format.ts";

const OFF = "This server tells no metrics: ATLANTIC_METRICS_TOKEN is not set. See docs/metrics.md.\n";
const WRONG = "Send the token of ATLANTIC_METRICS_TOKEN: Authorization: Bearer TOKEN. See docs/metrics.md.\n";

/**
 * GET /metrics, for Prometheus: 401 for everybody without the token, and 404 for everybody where none is set. Where a
 * request comes from counts for nothing: behind a reverse proxy everybody comes from this machine.
 */
export function metricsRoute(parts: { token: string | null; read: () => Promise<string> }): Middleware {
  return async (context, next) => {
    if (context.path !== "/metrics") return next();
    context.set("Cache-Control", "no-store");
    context.type = "text/plain";
    if (parts.token === null) {
      context.status = 404;
      context.body = OFF;
    } else if (!showsToken(context.get("authorization"), parts.token)) {
      context.status = 401;
      context.set("WWW-Authenticate", 'Bearer realm="Atlantic Proxy metrics"');
      context.body = WRONG;
    } else if (context.method !== "GET" && context.method !== "HEAD") {
      context.status = 405;
      context.set("Allow", "GET, HEAD");
    } else {
      context.body = await parts.read();
      context.set("Content-Type", METRICS_CONTENT_TYPE);
    }
  };
}

/** In a time that says nothing about the token, its length among it: digests are compared. */
function showsToken(authorization: string, token: string): boolean {
  const shown = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  return shown !== undefined && timingSafeEqual(digest(shown), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
