import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { get } from "node:https";

/**
 * `node udp-first-program.ts NAME AUTHORITY`: as browsers do with HTTP/3, sends a datagram of a QUIC Initial's size to
 * UDP 443 and, when that is refused or says nothing for a second, asks over TLS. Prints what came of it as JSON.
 */
const [name = "", authority = ""] = process.argv.slice(2);
/** RFC 9000 §14.1: a client's first datagram has at least so many bytes. */
const initial = Buffer.alloc(1_200);
// A long header, with a version that makes servers name theirs (RFC 9000 §6.1 and §15).
initial.writeUInt8(0xc0, 0);
initial.writeUInt32BE(0x1a2a3a4a, 1);

const begun = performance.now();
const refusal = await tryUdp();
const afterMs = performance.now() - begun;
process.stdout.write(`${JSON.stringify({ refusal, afterMs, answer: await ask() })}\n`);

/** Resolves with the error that the kernel reported; null when nothing came, not even a refusal. */
function tryUdp(): Promise<string | null> {
  const socket = createSocket("udp4");
  return new Promise<string | null>((resolve, reject) => {
    const timer = setTimeout(() => resolve(null), 1_000);
    const refused = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      resolve(error.code ?? error.message);
    };
    // What ICMP says reaches connected sockets alone.
    socket.on("error", refused).connect(443, name, (error?: Error) => {
      if (error) reject(error);
      else socket.send(initial, (failure) => failure && refused(failure));
    });
  }).finally(() => socket.close());
}

function ask(): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: name, path: "/address", ca: readFileSync(authority) }, async (response) => {
      let body = "";
      for await (const part of response.setEncoding("utf8")) body += part;
      resolve(body);
    }).on("error", reject);
  });
}
