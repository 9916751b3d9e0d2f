import { createSocket } from "node:dgram";
import { once } from "node:events";
import { testNames } from "./subjects/names.ts";

/**
 * A name server on port 53 of this network: it knows the names of the cases and says of all others that they do not
 * exist, so that no proxy waits for servers that are out of reach here.
 */
export async function serveNames(): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const answer = answerTo(query);
    if (answer) socket.send(answer, port, address);
  });
  socket.bind(53, "127.0.0.1");
  await once(socket, "listening");
  socket.unref();
}

const HEADER = 12;
const TYPE_A = 1;

/** RFC 1035 §4.1; undefined for what is no question. */
function answerTo(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = HEADER;
  for (let length = query[at]; length !== 0; length = query[at]) {
    if (length === undefined || length > 63 || at + length >= query.length) return undefined;
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  if (query.length < end) return undefined;
  const known = testNames[labels.join(".").toLowerCase()];
  const addresses = query.readUInt16BE(at + 1) === TYPE_A ? (known ?? []) : [];
  const head = Buffer.from(query.subarray(0, end));
  // Answer, recursion available; NXDOMAIN where nobody knows the name.
  head.writeUInt16BE(0x8180 | (known ? 0 : 3), 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const records = addresses.map((address) =>
    Buffer.from([0xc0, HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split(".").map(Number)]),
  );
  return Buffer.concat([head, ...records]);
}
