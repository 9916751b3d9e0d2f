import { randomUUID } from "node:crypto";
import Koa, { type Middleware } from "koa";
import type { Logger } from "pino";
import type { Auth } from "../auth/auth.ts";
import type { SessionReader } from "../auth/session-reader.ts";
import type { Cache } from "../cache/cache.ts";
import type { CredentialVerifier } from "../gateway/credential.ts";
import type { Services } from "../services/services.ts";
import { authRoutes } from "./auth-routes.ts";
import { createCallerOf } from "./caller.ts";
import { clientAddress } from "./client-address.ts";
import { type HealthCheck, healthRoute } from "./health.ts";
import { metricsRoute } from "./metrics-route.ts";
import { receiptRoutes } from "./receipt-routes.ts";
import { restRoutes } from "./rest-routes.ts";
import { securityHeaders } from "./security-headers.ts";
import { createContextOf, trpcRoutes } from "./trpc-routes.ts";
import { webPage } from "./web-page.ts";

/** What the web application is made of. */
export interface AppParts {
  readonly auth: Auth;
  readonly sessions: SessionReader;
  readonly cache: Cache;
  readonly verifier: CredentialVerifier;
  readonly services: Services;
  readonly health: Readonly<Record<string, HealthCheck>>;
  readonly metrics: { readonly token: string | null; readonly read: () => Promise<string> };
  readonly log: Logger;
  /** The address people type. */
  readonly webUrl: string;
  readonly https: boolean;
  readonly trustedProxies: readonly string[];
  /** Where the built web page lies. */
  readonly page: string;
}

/** The web and API application, in the order in which a request passes through it. */
export function createApp(parts: AppParts): Koa {
  const addressOf = clientAddress(parts.trustedProxies);
  const callerOf = createCallerOf({ ...parts, addressOf });
  const contextOf = createContextOf(parts.services, callerOf);
  const app = new Koa();
  app.on("error", (error: unknown) => parts.log.error({ err: error }, "a request failed"));
  const stack: Middleware[] = [
    requestId(),
    securityHeaders(parts),
    healthRoute(parts.health),
    metricsRoute(parts.metrics),
    authRoutes({ auth: parts.auth, addressOf }),
    trpcRoutes({ contextOf, log: parts.log }),
    receiptRoutes({ receipts: parts.services.receipts, callerOf }),
    restRoutes({ contextOf, log: parts.log, baseUrl: parts.webUrl }),
    webPage(parts.page),
  ];
  for (const middleware of stack) app.use(middleware);
  return app;
}

/** Gives each request an id of ours, for the log and the audit log. */
function requestId(): Middleware {
  return async (context, next) => {
    const id = randomUUID();
    context.req.headers["x-request-id"] = id;
    context.set("X-Request-Id", id);
    await next();
  };
}
