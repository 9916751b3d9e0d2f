import type { Middleware } from "koa";
import type { Logger } from "pino";
import { appRouter } from "../trpc/router.ts";
import { createRestHandler } from "./rest-handler.ts";
import { type ContextOf, logUnforeseen } from "./trpc-routes.ts";

const REST_PATH = "/api/v1";
const DOCUMENT_PATH = "/api/openapi.json";

/** What is asked by hand most often has a shorter way as well. */
const SHORT_PATHS: ReadonlySet<string> = new Set(["/api/proxy/explain"]);

/** The procedures as REST, and the OpenAPI document of it. */
export function restRoutes(parts: { contextOf: ContextOf; log: Logger; baseUrl: string }): Middleware {
  const handle = createRestHandler({
    contextOf: parts.contextOf,
    onError: (error, procedure) => logUnforeseen(parts.log, error, procedure),
  });
  let document: Promise<unknown> | undefined;
  return async (context, next) => {
    if (context.path === DOCUMENT_PATH && context.method === "GET") {
      document ??= describeApi(`${parts.baseUrl}${REST_PATH}`);
      context.body = await document;
      return;
    }
    const base = SHORT_PATHS.has(context.path) ? "/api" : REST_PATH;
    if (!context.path.startsWith(`${base}/`)) return next();
    context.respond = false;
    await handle(context.req, context.res, new URL(context.url.slice(base.length), "http://api"));
  };
}

/** Made when it is first asked for: most servers never are. */
async function describeApi(baseUrl: string): Promise<unknown> {
  const { generateOpenApiDocument } = await import("trpc-to-openapi");
  return generateOpenApiDocument(appRouter, {
    title: "Atlantic Proxy",
    description: "Bytes are decimal text, a GB is 10^9 bytes; moments are milliseconds since 1970, UTC.",
    version: "1",
    baseUrl,
    securitySchemes: {
      session: { type: "apiKey", in: "cookie", name: "atlantic.session_token" },
      credential: { type: "http", scheme: "basic", description: "A gateway credential: reads only" },
    },
  });
}
