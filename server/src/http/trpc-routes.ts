import type { IncomingMessage } from "node:http";
import type { TRPCError } from "@trpc/server";
import { nodeHTTPRequestHandler } from "@trpc/server/adapters/node-http";
import type { Middleware } from "koa";
import type { Logger } from "pino";
import { ServiceError } from "../services/errors.ts";
import type { Services } from "../services/services.ts";
import { asTrpcError, type Context } from "../trpc/procedures.ts";
import { appRouter } from "../trpc/router.ts";
import type { CallerOf } from "./caller.ts";
import { MAX_BODY_BYTES } from "./read-json-body.ts";

/** Where the procedures are. */
const TRPC_PATH = "/api/trpc";

/** The most procedures in one request. */
const MAX_BATCH = 20;

/** Makes the context of a request, for tRPC and REST alike. */
export type ContextOf = (request: IncomingMessage) => Promise<Context>;

export function createContextOf(services: Services, callerOf: CallerOf): ContextOf {
  return async (request) => {
    try {
      return { services, caller: await callerOf(request) };
    } catch (error) {
      throw error instanceof ServiceError ? asTrpcError(error) : error;
    }
  };
}

/** tRPC by its own adapter for Node: Koa steps aside and the adapter writes the answer itself. */
export function trpcRoutes(parts: { contextOf: ContextOf; log: Logger }): Middleware {
  return async (context, next) => {
    if (!context.path.startsWith(`${TRPC_PATH}/`)) return next();
    context.respond = false;
    context.res.statusCode = 200;
    await nodeHTTPRequestHandler({
      router: appRouter,
      req: context.req,
      res: context.res,
      path: context.path.slice(TRPC_PATH.length + 1),
      maxBodySize: MAX_BODY_BYTES,
      maxBatchSize: MAX_BATCH,
      allowMethodOverride: false,
      createContext: ({ req }) => parts.contextOf(req),
      onError: ({ error, path }) => logUnforeseen(parts.log, error, path),
      responseMeta: () => ({ headers: { "cache-control": "no-store" } }),
    });
  };
}

/** Writes down what nobody foresaw; refusals are the caller's business. */
export function logUnforeseen(log: Logger, error: TRPCError, path: string | undefined): void {
  if (error.code === "INTERNAL_SERVER_ERROR")
    log.error({ err: error.cause ?? error, path }, "a procedure failed");
}
