/** Sites for tests: HTTP/1.1, HTTP/2, one whose server speaks first, an echo, and datagrams. Prints their ports. */
import { createSocket } from "node:dgram";
import { createServer as createHttp } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { createServer } from "node:net";
import { listenAnywhere } from "./listen-anywhere.ts";

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const BLOCK = Buffer.alloc(65_536, "0123456789abcdef");

const http = createHttp((request, response) => {
  const bytes = Number(/^\/bytes\/(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
  if (request.method === "POST") {
    let count = 0;
    request.on("data", (chunk: Buffer) => {
      count += chunk.length;
    });
    request.on("end", () => response.end(`${count} bytes\n`));
  } else if (bytes === 0) response.end(`hello from ${request.socket.localPort}\n`);
  else {
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        const part = BLOCK.subarray(0, Math.min(left, BLOCK.length));
        left -= part.length;
        if (!response.write(part)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  }
});
const http2 = createHttp2((_request, response) => response.end("hello over HTTP/2\n"));
const banner = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  socket.write("SSH-2.0-test\r\n");
  socket.on("data", (bytes) => socket.write(bytes));
  socket.on("end", () => socket.end("goodbye\r\n"));
});
const resets = createServer((socket) => {
  socket.on("error", () => {});
  socket.once("data", () => socket.resetAndDestroy());
});
const udp = createSocket({ type: "udp6" });
udp.on("message", (message, { port, address }) => udp.send(message, port, address));
await new Promise<void>((resolve) => udp.bind(0, "::", resolve));

say({
  http: await listenAnywhere(http),
  http2: await listenAnywhere(http2),
  banner: await listenAnywhere(banner),
  resets: await listenAnywhere(resets),
  udp: udp.address().port,
});
