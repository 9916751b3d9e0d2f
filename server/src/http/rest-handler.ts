import type { IncomingMessage, ServerResponse } from "node:http";
import { type AnyTRPCProcedure, TRPCError } from "@trpc/server";
import { getHTTPStatusCodeFromError } from "@trpc/server/http";
import type { OpenApiMeta } from "trpc-to-openapi";
import { z } from "zod";
import { ServiceError } from "../services/errors.ts";
import { asTrpcError, type Context, INTERNAL_SENTENCE } from "../trpc/procedures.ts";
import { appRouter } from "../trpc/router.ts";
import { readJsonBody } from "./read-json-body.ts";

/** A procedure as REST: `POST /credentials/{id}/rotate`. */
interface Route {
  readonly method: string;
  readonly segments: readonly string[];
  /** The procedure's name: `credentials.rotate`. */
  readonly name: string;
  readonly input: z.ZodType | undefined;
}

/** Answers a request to a path below the REST prefix. `onError` is told every failure. */
export type RestHandler = (request: IncomingMessage, response: ServerResponse, path: URL) => Promise<void>;

/**
 * REST from the procedures' OpenAPI metadata. Our own, because the handler of trpc-to-openapi switches coercion on
 * inside the procedures' schemas: from then on a missing text is "undefined" and "false" is true, over tRPC as well.
 */
export function createRestHandler(parts: {
  contextOf: (request: IncomingMessage) => Promise<Context>;
  onError: (error: TRPCError, procedure: string | undefined) => void;
}): RestHandler {
  const routes = readRoutes();
  return async (request, response, url) => {
    let name: string | undefined;
    try {
      const { route, parameters } = findRoute(routes, request.method ?? "GET", url.pathname);
      name = route.name;
      const input = await readInput(request, url, route, parameters);
      const context = await parts.contextOf(request);
      send(response, 200, await callProcedure(route, context, input));
    } catch (cause) {
      const error = asError(cause);
      parts.onError(error, name);
      send(response, getHTTPStatusCodeFromError(error), errorBody(error));
    }
  };
}

function readRoutes(): Route[] {
  // The library's type says a tree where there is a flat list.
  const procedures = appRouter._def.procedures as unknown as Record<string, AnyTRPCProcedure>;
  return Object.entries(procedures).flatMap(([name, procedure]) => {
    const meta = procedure._def.meta as OpenApiMeta | undefined;
    if (meta?.openapi === undefined) return [];
    const { method, path } = meta.openapi;
    const [input] = procedure._def.inputs as unknown as z.ZodType[];
    return [{ method, segments: path.split("/"), name, input }];
  });
}

function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; parameters: Record<string, string> } {
  const segments = path.split("/");
  let otherMethod = false;
  for (const route of routes) {
    const parameters = matchSegments(route.segments, segments);
    if (parameters === null) continue;
    if (route.method === method) return { route, parameters };
    otherMethod = true;
  }
  throw otherMethod
    ? new TRPCError({ code: "METHOD_NOT_SUPPORTED", message: `There is no ${method} here.` })
    : new TRPCError({
        code: "NOT_FOUND",
        message: "There is nothing at this address. See /api/openapi.json.",
      });
}

function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): Record<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const segment = segments[index] ?? "";
    const name = /^\{(\w+)\}$/.exec(expected)?.[1];
    if (name !== undefined) parameters[name] = decodeSegment(segment);
    else if (expected !== segment) return null;
  }
  return parameters;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new TRPCError({ code: "BAD_REQUEST", message: "The address cannot be read." });
  }
}

async function readInput(
  request: IncomingMessage,
  url: URL,
  route: Route,
  parameters: Record<string, string>,
): Promise<unknown> {
  const shape = route.input instanceof z.ZodObject ? route.input.shape : null;
  if (request.method !== "GET" && request.method !== "HEAD") {
    const body = await readJsonBody(request);
    return shape === null ? undefined : { ...body, ...parameters };
  }
  if (shape === null) return undefined;
  const fields = [...url.searchParams].map(([name, text]) => [name, readText(shape[name], text)]);
  return { ...Object.fromEntries(fields), ...parameters };
}

/** Reads the text of a query parameter as what the schema wants there; what does not look like it stays text. */
function readText(schema: z.ZodType | undefined, text: string): unknown {
  const wanted = bare(schema);
  if (wanted instanceof z.ZodNumber && /^-?\d{1,15}(\.\d+)?$/.test(text)) return Number(text);
  if (wanted instanceof z.ZodBoolean && (text === "true" || text === "false")) return text === "true";
  return text;
}

function bare(schema: unknown): unknown {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? bare(schema.unwrap()) : schema;
}

async function callProcedure(route: Route, context: Context, input: unknown): Promise<unknown> {
  let step: unknown = appRouter.createCaller(context);
  for (const part of route.name.split(".")) step = (step as Record<string, unknown>)[part];
  return (step as (input: unknown) => Promise<unknown>)(input);
}

function asError(cause: unknown): TRPCError {
  if (cause instanceof TRPCError) return cause;
  if (cause instanceof ServiceError) return asTrpcError(cause);
  return new TRPCError({ code: "INTERNAL_SERVER_ERROR", cause });
}

function errorBody(error: TRPCError): unknown {
  if (error.code === "INTERNAL_SERVER_ERROR") return { message: INTERNAL_SENTENCE, code: error.code };
  if (!(error.cause instanceof z.ZodError)) return { message: error.message, code: error.code };
  return { message: "The input cannot be read.", code: error.code, issues: error.cause.issues };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.setHeader("cache-control", "no-store");
  response.end(JSON.stringify(body));
}
