import type { IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { createServer } from "node:https";
import { connect, type Socket } from "node:net";
import { portOf } from "../../port-of.ts";
import type { DialTarget } from "../../upstream/dialing-agent.ts";
import type { DohServer } from "../resolver.ts";
import { makeTestCertificate } from "./certificate.ts";

/** What a site does with a query: an answer, an HTTP status, or nothing at all. */
export type SiteAnswer = Buffer | { readonly status: number } | "silence";

export interface DohSiteOptions {
  readonly answer: (query: Buffer) => SiteAnswer | Promise<SiteAnswer>;
  /** Only HTTP/1.1. */
  readonly old?: boolean;
  /** Seconds that the answer is said to have been in a cache. */
  readonly age?: number;
}

/** A server of DNS over HTTPS on loopback, and a dialler that finds it by its name. */
export interface DohSite {
  readonly server: DohServer;
  readonly authority: string;
  /** Every target that was dialled, as `host:port`. */
  readonly dialled: readonly string[];
  readonly queries: readonly Buffer[];
  readonly httpVersions: readonly string[];
  readonly dial: DialTarget;
  close(): Promise<void>;
}

export async function openDohSite(name: string, options: DohSiteOptions): Promise<DohSite> {
  const certificate = await makeTestCertificate(name);
  const queries: Buffer[] = [];
  const httpVersions: string[] = [];
  const dialled: string[] = [];
  const open = new Set<Socket>();
  const serve = async (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const query = Buffer.concat(parts);
    queries.push(query);
    httpVersions.push(request.httpVersion);
    const answer = await options.answer(query);
    if (answer === "silence") return;
    if (!Buffer.isBuffer(answer)) {
      response.statusCode = answer.status;
      response.end();
      return;
    }
    response.setHeader("content-type", "application/dns-message");
    if (options.age !== undefined) response.setHeader("age", options.age);
    response.end(answer);
  };
  const handler = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ) => void serve(request, response).catch(() => {});
  const server = options.old
    ? createServer(certificate, handler)
    : createSecureServer({ ...certificate, allowHTTP1: true }, handler);
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => open.delete(socket));
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const port = portOf(server);
  return {
    server: { name, url: `https://${name}/dns-query` },
    authority: certificate.cert,
    dialled,
    queries,
    httpVersions,
    async dial(target) {
      dialled.push(`${target.host}:${target.port}`);
      const socket = connect(port, "127.0.0.1");
      const connected = Promise.withResolvers<void>();
      socket.once("connect", connected.resolve);
      socket.once("error", connected.reject);
      await connected.promise;
      return socket;
    },
    async close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
