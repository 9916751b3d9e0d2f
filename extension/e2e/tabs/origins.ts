import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Certificate } from "./certificate.ts";
import {
  busyPage,
  doorPage,
  framePage,
  type PageQuery,
  serviceWorkerScript,
  sharedWorkerScript,
  workersPage,
} from "./pages.ts";

/** One request as a site saw it. The source address is the exit that it came through: nobody else can know. */
export interface Seen {
  readonly scheme: "http" | "https" | "ws" | "wss";
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly letter: string;
  readonly round: string;
  readonly place: Place;
  readonly body: string;
  /** Names of headers that are the product's own: none may arrive. */
  readonly leaked: readonly string[];
}

/** The country of the exit, `direct` for this machine itself, or an address that no exit has. */
export type Place = string;

export interface Origins {
  readonly seen: Seen[];
  /** `host:port` of each site to where it listens. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Ends every connection, and so every tunnel. */
  cut(): void;
  close(): Promise<void>;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

const plainNames = ["a", "b", "c", "d", "e", "cdn", "cdn2", "frame"];
const manyNames = Array.from({ length: 30 }, (_, index) => `s${index}`);
const oldNames = ["a", "b", "c", "cdn", "cdn2", "frame"].map((name) => `h1${name}`);

/** Every site's name. Those with h1 in front speak HTTP/1.1 alone. */
export const siteNames = [...plainNames, ...manyNames, ...oldNames].map((name) => `${name}.test`);

/** Starts the sites: h2 with TLS, HTTP/1.1 with TLS, and plain http, each with WebSockets. */
export async function startOrigins({ key, cert }: Certificate): Promise<Origins> {
  const seen: Seen[] = [];
  const sockets = new WebSocketServer({ noServer: true });
  const secure = { key, cert };
  const h2 = createSecureServer({ ...secure, allowHTTP1: true }, handler("https", seen));
  const h1 = createTlsServer(secure, handler("https", seen));
  const plain = createServer(handler("http", seen));
  upgradeOn(h2, "wss", sockets, seen);
  upgradeOn(h1, "wss", sockets, seen);
  upgradeOn(plain, "ws", sockets, seen);
  const servers = [h2, h1, plain];
  const open = new Set<Socket>();
  for (const server of servers) {
    server.on("connection", (socket: Socket) => {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
      socket.on("error", () => {});
    });
    server.on("sessionError", () => {});
    server.listen(0, "127.0.0.1");
  }
  await Promise.all(servers.map((server) => server.listening || once(server, "listening")));
  const [h2Port, h1Port, plainPort] = servers.map(portOf);
  const hosts = Object.fromEntries(
    siteNames.flatMap((name) => [
      [`${name}:443`, `127.0.0.1:${name.startsWith("h1") ? h1Port : h2Port}`],
      [`${name}:80`, `127.0.0.1:${plainPort}`],
    ]),
  );
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    seen,
    hosts,
    cut,
    async close() {
      cut();
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    },
  };
}

function handler(scheme: "http" | "https", seen: Seen[]) {
  return async (request: Request, response: Response): Promise<void> => {
    const host = hostOf(request);
    const url = new URL(request.url ?? "/", `${scheme}://${host}`);
    // Once the sender has gone its address cannot be asked for any more.
    const place = placeOf(request.socket.remoteAddress ?? "");
    seen.push(observed(scheme, request, url, place, await bodyOf(request)));
    const open = {
      "cache-control": "no-store",
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "*",
    };
    const to = url.pathname === "/redirect" ? url.searchParams.get("to") : null;
    if (to !== null) return send(response, 302, { ...open, location: to }, "");
    if (request.method === "OPTIONS") return send(response, 204, open, "");
    const { type, body } = answerTo(url, scheme);
    if (url.searchParams.get("never") === place) return;
    if (url.searchParams.get("half") === place) return begin(response, { ...open, "content-type": type });
    send(response, 200, { ...open, "content-type": type }, body);
  };
}

interface Answer {
  readonly type: string;
  readonly body: string;
}

const picture: Answer = {
  type: "image/svg+xml",
  body: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
};
const html = (body: string): Answer => ({ type: "text/html", body });
const script = (body: string): Answer => ({ type: "text/javascript", body });

function answerTo(url: URL, scheme: "http" | "https"): Answer {
  const query = queryOf(url);
  switch (url.pathname) {
    case "/page":
      return html(busyPage(url.hostname, scheme, query));
    case "/frame":
      return html(framePage(url.hostname, scheme, query));
    case "/door":
      return html(doorPage(query, url.searchParams.get("to") ?? ""));
    case "/workers":
      return html(workersPage(query));
    case "/service-worker.js":
      return script(serviceWorkerScript(query));
    case "/shared-worker.js":
      return script(sharedWorkerScript(query));
    case "/script.js":
      return script("1");
    case "/picture.svg":
    case "/inner.svg":
      return picture;
    default:
      return { type: "text/plain", body: "ok" };
  }
}

function send(response: Response, status: number, headers: Record<string, string>, body: string): void {
  if (!response.destroyed) (response as ServerResponse).writeHead(status, headers).end(body);
}

/** The first of an answer that does not come to its end. */
function begin(response: Response, headers: Record<string, string>): void {
  (response as ServerResponse).writeHead(200, headers).write("<!doctype html><title>half</title>");
}

function upgradeOn(
  server: {
    on(event: "upgrade", listener: (request: IncomingMessage, socket: Socket, head: Buffer) => void): unknown;
  },
  scheme: "ws" | "wss",
  sockets: WebSocketServer,
  seen: Seen[],
): void {
  server.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url ?? "/", `${scheme}://${hostOf(request)}`);
    seen.push(observed(scheme, request, url, placeOf(request.socket.remoteAddress ?? ""), ""));
    sockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => webSocket.send("hello"));
  });
}

function observed(scheme: Seen["scheme"], request: Request, url: URL, place: Place, body: string): Seen {
  return {
    scheme,
    host: url.hostname,
    path: url.pathname,
    method: request.method ?? "GET",
    letter: url.searchParams.get("t") ?? "",
    round: url.searchParams.get("n") ?? "",
    place,
    body,
    leaked: Object.keys(request.headers).filter((name) => /^(x-atlantic|proxy-)/.test(name)),
  };
}

function placeOf(address: string): Place {
  const network = /^127\.1\.([123])\.\d+$/.exec(address)?.[1];
  if (network) return { 1: "us", 2: "de", 3: "jp" }[network] ?? address;
  return address === "127.0.0.1" ? "direct" : address;
}

function queryOf(url: URL): PageQuery {
  return {
    letter: url.searchParams.get("t") ?? "",
    round: url.searchParams.get("n") ?? "",
    count: Number(url.searchParams.get("k") ?? "4"),
    sockets: url.searchParams.get("ws") === "1",
  };
}

function hostOf(request: Request): string {
  const authority = request.headers[":authority"] ?? request.headers.host ?? "unknown";
  return String(authority).replace(/:\d+$/, "");
}

async function bodyOf(request: Request): Promise<string> {
  let body = "";
  try {
    for await (const chunk of request) body += String(chunk);
  } catch {
    // The sender went away; what came is what was seen.
  }
  return body;
}

function portOf(server: Pick<Server, "address">): number {
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}
