import { createHash } from "node:crypto";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { Keystream } from "./keystream.ts";

/**
 * `node bulk-site-program.ts PORT`: GET `/SEED/BYTES` sends so many bytes, and GET `/sent/SEED/BYTES` the digest of what
 * was sent; PUT answers with the count and the digest of what came.
 */
const sent = new Map<string, string>();

async function send(path: string, response: ServerResponse): Promise<void> {
  const [, seed, bytes] = path.split("/").map(Number);
  if (!seed || !bytes) throw new TypeError(`${path} is not /SEED/BYTES`);
  const keystream = new Keystream(seed, bytes);
  response.writeHead(200, { "content-length": bytes });
  await pipeline(keystream.stream(), response);
  sent.set(`/sent${path}`, keystream.digest());
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const part of request) {
    hash.update(part);
    bytes += part.length;
  }
  response.end(JSON.stringify({ bytes, sha256: hash.digest("hex") }));
}

http
  .createServer((request, response) => {
    const path = request.url ?? "/";
    const digest = sent.get(path);
    const answered =
      digest !== undefined
        ? response.end(digest)
        : request.method === "PUT"
          ? take(request, response)
          : send(path, response);
    // Whoever asked sees that it is not whole.
    Promise.resolve(answered).catch(() => response.destroy());
  })
  .listen(Number(process.argv[2]), "::");
