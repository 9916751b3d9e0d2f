import { initTRPC, TRPCError } from "@trpc/server";
import type { OpenApiMeta } from "trpc-to-openapi";
import type { Caller } from "../services/caller.ts";
import { ServiceError, type ServiceErrorCode } from "../services/errors.ts";
import type { Services } from "../services/services.ts";

/** What a procedure is called with: the services, and who asks, if anybody is known. */
export interface Context {
  readonly services: Services;
  readonly caller: Caller | null;
}

const trpcCodes: Readonly<Record<ServiceErrorCode, TRPCError["code"]>> = {
  not_signed_in: "UNAUTHORIZED",
  not_allowed: "FORBIDDEN",
  not_found: "NOT_FOUND",
  invalid: "BAD_REQUEST",
  too_many: "TOO_MANY_REQUESTS",
  unavailable: "SERVICE_UNAVAILABLE",
};

const trpc = initTRPC
  .context<Context>()
  .meta<OpenApiMeta>()
  .create({
    isDev: false,
    sse: { ping: { enabled: true, intervalMs: 15_000 }, client: { reconnectAfterInactivityMs: 40_000 } },
    errorFormatter: ({ shape, error }) =>
      error.code === "INTERNAL_SERVER_ERROR" ? { ...shape, message: INTERNAL_SENTENCE } : shape,
  });

/** All that a stranger learns of an error that nobody foresaw; the log has the rest. */
export const INTERNAL_SENTENCE =
  "The server failed at this. Try again; if it stays, look into the server's log.";

export const router = trpc.router;

/** A procedure for a known caller. What the caller may do is decided in the services. */
export const procedure = trpc.procedure.use(async ({ ctx, next }) => {
  if (ctx.caller === null) throw new TRPCError({ code: "UNAUTHORIZED", message: "Sign in first." });
  const outcome = await next({ ctx: { ...ctx, caller: ctx.caller } });
  if (!outcome.ok && outcome.error.cause instanceof ServiceError) throw asTrpcError(outcome.error.cause);
  return outcome;
});

/** A service's refusal as tRPC's error, with the same message. */
export function asTrpcError(error: ServiceError): TRPCError {
  return new TRPCError({ code: trpcCodes[error.code], message: error.message, cause: error });
}
