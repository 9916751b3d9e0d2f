import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type LocalExit, localExitOf } from "@atlantic/shared/exits/adapters/local.ts";
import { echoPage } from "./echo-page.ts";

/** The name under which the echo site is reached through the gateway. */
export const ECHO_HOST = "echo.atlantic.test";

/** The demonstration's site: it tells every visitor which address it saw. */
export interface EchoSite {
  /** The name under which the gateway's host table leads here. */
  readonly name: string;
  /** `127.0.0.1:port`: where the gateway's host table leads. */
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** What the site saw of a visitor. */
export interface SeenVisitor {
  readonly address: string;
  /** The exit that the address belongs to; undefined for a visitor who came directly. */
  readonly exit: LocalExit | undefined;
}

/** Starts the echo site; by default on a free port of loopback. */
export async function startEchoSite({ host = "127.0.0.1", port = 0 } = {}): Promise<EchoSite> {
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  if (typeof bound !== "object" || bound === null) throw new Error("The echo site has no address.");
  return {
    name: ECHO_HOST,
    address: `${bound.address}:${bound.port}`,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const address = request.socket.remoteAddress ?? "";
  const visitor = { address, exit: localExitOf(address) };
  const path = request.url?.split("?")[0];
  request.resume();
  if (request.method !== "GET" && request.method !== "HEAD") send(response, 405, "text/plain", "Only GET.\n");
  else if (path === "/address") send(response, 200, "application/json", addressJson(visitor));
  else if (path === "/") send(response, 200, "text/html; charset=utf-8", echoPage(visitor));
  else send(response, 404, "text/plain", "There is only / and /address.\n");
}

function addressJson({ address, exit }: SeenVisitor): string {
  const { country = null, city = null } = exit ?? {};
  return `${JSON.stringify({ address, country, city, demonstration: true })}\n`;
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "access-control-allow-origin": "*",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  });
  response.end(body);
}
