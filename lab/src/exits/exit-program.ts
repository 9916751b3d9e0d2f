import { timingSafeEqual } from "node:crypto";
import http from "node:http";
import net, { type Socket } from "node:net";
import { z } from "zod";

/** A flow that the exit carried to its end. Bytes are what passed between the gateway and the site, both ways. */
export const exitFlowSchema = z.object({
  protocol: z.enum(["http", "connect", "socks5"]),
  target: z.string(),
  sentBytes: z.number(),
  receivedBytes: z.number(),
});
export type ExitFlow = z.infer<typeof exitFlowSchema>;

export interface ExitProgramOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly onFlow: (flow: ExitFlow) => void;
}

/**
 * The smallest honest exit: HTTP/1.1 forward, CONNECT and SOCKS5 (RFC 1928, RFC 1929) on one port,
 * told apart by the first byte. It counts each flow by itself, as a check on everybody else's counters.
 */
export function startExit(options: ExitProgramOptions): Promise<net.Server> {
  const web = http.createServer((request, response) => forward(options, request, response));
  web.on("connect", (request, socket: Socket, head) => connect(options, request, socket, head));
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("readable", () => {
      const first: Buffer | null = socket.read(1);
      if (first === null) return socket.destroy();
      socket.unshift(first);
      if (first[0] === 5) void socks(options, socket).catch(() => socket.destroy());
      else web.emit("connection", socket);
    });
    socket.read(0);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(options.port, options.host, () => resolve(server));
  });
}

function forward(
  options: ExitProgramOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  if (!isKnown(options, request)) {
    refuse(response);
    return;
  }
  const target = new URL(request.url ?? "");
  const { "proxy-authorization": _, "proxy-connection": __, connection: ___, ...headers } = request.headers;
  const outgoing = http.request(
    {
      host: target.hostname,
      port: target.port || 80,
      method: request.method,
      path: target.pathname + target.search,
      headers,
      agent: false,
    },
    (incoming) => {
      response.writeHead(incoming.statusCode ?? 502, incoming.headers);
      incoming.pipe(response);
    },
  );
  outgoing.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  outgoing.on("close", () => {
    const { bytesWritten = 0, bytesRead = 0 } = outgoing.socket ?? {};
    options.onFlow({
      protocol: "http",
      target: target.host,
      sentBytes: bytesWritten,
      receivedBytes: bytesRead,
    });
  });
  request.pipe(outgoing);
}

function refuse(response: http.ServerResponse): void {
  response.writeHead(407, { "proxy-authenticate": 'Basic realm="lab"' }).end();
}

function isKnown({ username, password }: ExitProgramOptions, request: http.IncomingMessage): boolean {
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  return same(request.headers["proxy-authorization"] ?? "", expected);
}

function same(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function connect(
  options: ExitProgramOptions,
  request: http.IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  if (!isKnown(options, request)) {
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="lab"\r\n\r\n');
    return;
  }
  const authority = new URL(`http://${request.url}`);
  const port = Number(authority.port || 80);
  const site = net.connect({ host: authority.hostname, port, allowHalfOpen: true, noDelay: true }, () => {
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) site.write(head);
    join(options, socket, site, "connect", `${authority.hostname}:${port}`);
  });
  site.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
}

async function socks(options: ExitProgramOptions, socket: Socket): Promise<void> {
  const [, methods = 0] = await take(socket, 2);
  await take(socket, methods);
  socket.write(Buffer.from([5, 2]));
  const [, nameBytes = 0] = await take(socket, 2);
  const username = (await take(socket, nameBytes)).toString();
  const [passwordBytes = 0] = await take(socket, 1);
  const password = (await take(socket, passwordBytes)).toString();
  const known = same(username, options.username) && same(password, options.password);
  socket.write(Buffer.from([1, known ? 0 : 1]));
  if (!known) return void socket.end();
  const { host, port } = await readTarget(socket);
  const site = net.connect({ host, port, allowHalfOpen: true, noDelay: true }, () => {
    socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    join(options, socket, site, "socks5", `${host}:${port}`);
  });
  site.on("error", () => socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0])));
}

async function readTarget(socket: Socket): Promise<{ host: string; port: number }> {
  const [, , , type = 0] = await take(socket, 4);
  let host: string;
  if (type === 3) host = (await take(socket, (await take(socket, 1))[0] ?? 0)).toString();
  else if (type === 1) host = [...(await take(socket, 4))].join(".");
  else throw new Error("only names and IPv4 addresses");
  return { host, port: (await take(socket, 2)).readUInt16BE(0) };
}

/** Reads exactly `count` bytes. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  if (count === 0) return Buffer.alloc(0);
  for (;;) {
    const bytes: Buffer | null = socket.read(count);
    if (bytes !== null) return bytes;
    await new Promise<void>((resolve, reject) => {
      socket.once("readable", resolve).once("close", () => reject(new Error("closed in mid-handshake")));
    });
  }
}

function join(
  options: ExitProgramOptions,
  client: Socket,
  site: Socket,
  protocol: ExitFlow["protocol"],
  target: string,
): void {
  client.pipe(site);
  site.pipe(client);
  client.on("error", () => site.destroy());
  site.on("error", () => client.destroy());
  client.on("close", () => site.end());
  site.on("close", () => {
    client.end();
    options.onFlow({ protocol, target, sentBytes: site.bytesWritten, receivedBytes: site.bytesRead });
  });
}

/** Run as a program: `node exit-program.ts HOST PORT`; prints each finished flow as a line of JSON. */
if (import.meta.main) {
  const [host = "", port = ""] = process.argv.slice(2);
  const { LAB_EXIT_USERNAME: username = "", LAB_EXIT_PASSWORD: password = "" } = process.env;
  if (!username || !password) throw new Error("LAB_EXIT_USERNAME and LAB_EXIT_PASSWORD must be set.");
  const onFlow = (flow: ExitFlow) => process.stdout.write(`${JSON.stringify(flow)}\n`);
  await startExit({ host, port: Number(port), username, password, onFlow });
}
