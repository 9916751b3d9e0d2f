import { toNodeHandler } from "better-auth/node";
import type { Middleware } from "koa";
import { AUTH_PATH, type Auth, CLIENT_ADDRESS_HEADER } from "../auth/auth.ts";
import type { ClientAddress } from "./client-address.ts";

/** The auth library's own routes: sign up, sign in, sign out, sessions. */
export function authRoutes(parts: { auth: Auth; addressOf: ClientAddress }): Middleware {
  const handle = toNodeHandler(async (request: Request) => withRetryAfter(await parts.auth.handler(request)));
  return async (context, next) => {
    if (!context.path.startsWith(`${AUTH_PATH}/`)) return next();
    const address = parts.addressOf(context.req);
    if (address === null) delete context.req.headers[CLIENT_ADDRESS_HEADER];
    else context.req.headers[CLIENT_ADDRESS_HEADER] = address;
    context.respond = false;
    context.res.setHeader("cache-control", "no-store");
    await handle(context.req, context.res);
  };
}

/** The library says X-Retry-After; the standard (RFC 9110 §10.2.3) says Retry-After. */
function withRetryAfter(response: Response): Response {
  const seconds = response.headers.get("x-retry-after");
  if (seconds === null) return response;
  const headers = new Headers(response.headers);
  headers.set("retry-after", seconds);
  return new Response(response.body, { status: response.status, headers });
}
