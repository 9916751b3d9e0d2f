import type { Middleware } from "koa";
import type { Logger } from "pino";
import { appRouter } from "../trpc/router.ts";
import { type ContextOf, logUnforeseen, MAX_BODY_BYTES } from "./trpc-routes.ts";

const REST_PATH = "/api/v1";
const DOCUMENT_PATH = "/api/openapi.json";

/**
 * The same procedures as REST, and the OpenAPI document of it. What translates is loaded with the first request that
 * needs it: most servers never get one.
 */
export function restRoutes(parts: { contextOf: ContextOf; log: Logger; baseUrl: string }): Middleware {
  const library = once(() => import("trpc-to-openapi"));
  const handler = once(async () =>
    (await library()).createOpenApiNodeHttpHandler({
      router: appRouter,
      maxBodySize: MAX_BODY_BYTES,
      createContext: async ({ req }) => parts.contextOf(req),
      onError: ({ error, path }: { error: Parameters<typeof logUnforeseen>[1]; path: string | undefined }) =>
        logUnforeseen(parts.log, error, path),
      responseMeta: () => ({ headers: { "cache-control": "no-store" } }),
    }),
  );
  const document = once(async () =>
    (await library()).generateOpenApiDocument(appRouter, {
      title: "Atlantic Proxy",
      description: "Bytes are decimal text, a GB is 10^9 bytes; moments are milliseconds since 1970, UTC.",
      version: "1",
      baseUrl: `${parts.baseUrl}${REST_PATH}`,
      securitySchemes: {
        session: { type: "apiKey", in: "cookie", name: "atlantic.session_token" },
        credential: { type: "http", scheme: "basic", description: "A gateway credential: reads only" },
      },
    }),
  );
  return async (context, next) => {
    if (context.path === DOCUMENT_PATH && context.method === "GET") {
      context.body = await document();
      return;
    }
    if (!context.path.startsWith(`${REST_PATH}/`)) return next();
    const handle = await handler();
    context.respond = false;
    context.req.url = context.url.slice(REST_PATH.length);
    await handle(context.req, context.res);
  };
}

function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
