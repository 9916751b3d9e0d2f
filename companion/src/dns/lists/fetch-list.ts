import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connect as secure } from "node:tls";
import { ClearError } from "../../clear-error.ts";
import type { DialTarget } from "../../upstream/dialing-agent.ts";

export const MAX_LIST_BYTES = 64 << 20;
const TIMEOUT_MS = 120_000;
const MAX_REDIRECTS = 5;

export interface FetchListOptions {
  readonly url: string;
  readonly etag: string | null;
  /** The only version that is wanted, by its SHA-256. */
  readonly pinned: string | null;
  /** Where the list is put when it is whole and good. */
  readonly path: string;
  /** Opens the connection: through the exit, as the resolver does. */
  readonly dial: DialTarget;
}

export type FetchedList =
  | { readonly kind: "unchanged" }
  | { readonly kind: "new"; readonly etag: string | null; readonly sha256: string; readonly bytes: number };

/**
 * Fetches a list, and puts it in place only when all of it has come.
 * @throws ClearError when it did not; what was in place stays
 */
export async function fetchList(options: FetchListOptions): Promise<FetchedList> {
  const response = await open(options, options.url, MAX_REDIRECTS);
  if (response.statusCode === 304) {
    response.resume();
    return { kind: "unchanged" };
  }
  if (response.statusCode !== 200) {
    response.destroy();
    throw new ClearError(`${hostOf(options.url)} answered ${response.statusCode}.`);
  }
  const beside = `${options.path}.${process.pid}.new`;
  try {
    const { sha256, bytes, start } = await save(response, beside);
    checkText(start, options.url);
    if (options.pinned !== null && sha256 !== options.pinned) {
      throw new ClearError(
        `The list at ${hostOf(options.url)} is not the version that is pinned (SHA-256 ${sha256}).`,
      );
    }
    await rename(beside, options.path);
    return { kind: "new", etag: response.headers.etag ?? null, sha256, bytes };
  } finally {
    await rm(beside, { force: true });
  }
}

async function open(options: FetchListOptions, address: string, redirects: number): Promise<IncomingMessage> {
  const url = new URL(address);
  const response = await ask(options, url);
  const { statusCode = 0, headers } = response;
  if (statusCode < 301 || statusCode > 308 || statusCode === 304 || headers.location === undefined)
    return response;
  response.destroy();
  const next = new URL(headers.location, url);
  if (redirects === 0) throw new ClearError(`${url.host} redirects for ever.`);
  if (url.protocol === "https:" && next.protocol !== "https:") {
    throw new ClearError(`${url.host} redirects to an address without encryption.`);
  }
  return open(options, next.href, redirects - 1);
}

function ask({ etag, dial }: FetchListOptions, url: URL): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const isSecure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const agent = isSecure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
  agent.createConnection = (_, callback) => {
    dial({ host, port: Number(url.port || (isSecure ? 443 : 80)) }).then(
      (socket) => callback?.(null, isSecure ? secure({ socket, host, servername: host }) : socket),
      (error: Error) => callback?.(error, undefined as never),
    );
    return undefined;
  };
  const headers = { accept: "text/plain", ...(etag !== null && { "if-none-match": etag }) };
  const asked = (isSecure ? httpsRequest : httpRequest)(
    url,
    { agent, headers, signal: AbortSignal.timeout(TIMEOUT_MS) },
    resolve,
  );
  asked.once("error", (cause) =>
    reject(new ClearError(`${url.host} could not be reached: ${cause.message}`, { cause })),
  );
  asked.end();
  return promise;
}

async function save(
  response: IncomingMessage,
  path: string,
): Promise<{ readonly sha256: string; readonly bytes: number; readonly start: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  let start = Buffer.alloc(0);
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      if (start.length < 1_024) start = Buffer.concat([start, chunk.subarray(0, 1_024)]);
      hash.update(chunk);
      if (bytes > MAX_LIST_BYTES)
        done(new ClearError(`The list is larger than ${MAX_LIST_BYTES >> 20} MiB.`));
      else done(null, chunk);
    },
  });
  await pipeline(response, count, createWriteStream(path, { mode: 0o600, flush: true }));
  return { sha256: hash.digest("hex"), bytes, start: start.toString("utf8") };
}

/** A page that says "not found", or asks to log in, is no list. */
function checkText(start: string, url: string): void {
  if (/^\s*(<!doctype|<html|\{)/i.test(start) || start.includes("\0") || start.trim() === "") {
    throw new ClearError(`What ${hostOf(url)} sent is no list of names.`);
  }
}

/** An address may hold a secret in its path. */
function hostOf(url: string): string {
  return new URL(url).host;
}
