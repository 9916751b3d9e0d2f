/**
 * An application for tests: does one thing and says how it went, as one line of JSON.
 * argv: what, host, port, and what else it takes.
 */
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";

const [what = "", host = "", portText = "0", more = ""] = process.argv.slice(2);
const port = Number(portText);
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

/** Waits for the server to speak, answers, ends its half, and hears the rest. */
function talk(): void {
  const socket = connect({ host, port, allowHalfOpen: true });
  let heard = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    if (heard === "") socket.end("and what I said\r\n");
    heard += text;
  });
  socket.on("end", () => say({ heard }));
  socket.on("error", (error: NodeJS.ErrnoException) => say({ heard, error: error.code }));
}

/** Connects, says something, and says how it ended. */
function ask(): void {
  const began = Date.now();
  const socket = connect({ host, port });
  socket.on("connect", () => socket.write("hello"));
  socket.on("error", (error: NodeJS.ErrnoException) => say({ error: error.code, ms: Date.now() - began }));
  socket.on("end", () => say({ ended: true, ms: Date.now() - began }));
  socket.resume();
}

/** Stays connected and says so; then what becomes of it. */
function stay(): void {
  const socket = connect({ host, port });
  let heard = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    if (heard === "") say({ connected: true });
    heard += text;
    if (heard.includes("still here")) say({ heard: true });
  });
  socket.on("error", (error: NodeJS.ErrnoException) => say({ error: error.code }));
  process.stdin.on("data", () => socket.write("still here\r\n"));
  process.stdin.on("end", () => socket.destroy());
}

/** Has so many bytes echoed, and compares sums. */
function echo(): void {
  const bytes = Number(more);
  const [sent, received] = [createHash("sha256"), createHash("sha256")];
  const socket = connect({ host, port, allowHalfOpen: true });
  let block: Buffer = Buffer.from("a block of bytes that no two parts of are the same").subarray(0);
  let left = bytes;
  let banner: number | undefined;
  let count = 0;
  socket.once("data", (first: Buffer) => {
    // The server's greeting comes first.
    banner = first.indexOf("\r\n") + 2;
    take(first.subarray(banner));
    socket.on("data", take);
    push();
  });
  function take(part: Buffer): void {
    const wanted = part.subarray(0, bytes - count);
    received.update(wanted);
    count += wanted.length;
  }
  function push(): void {
    while (left > 0) {
      block = createHash("sha512").update(block).digest();
      const part = Buffer.alloc(Math.min(left, 65_536), block);
      sent.update(part);
      left -= part.length;
      if (!socket.write(part)) {
        socket.once("drain", push);
        return;
      }
    }
    socket.end();
  }
  socket.on("end", () => say({ count, same: sent.digest("hex") === received.digest("hex") }));
  socket.on("error", (error: NodeJS.ErrnoException) => say({ error: error.code, count }));
}

/** So many short connections, some at once; how many were answered. */
async function many(): Promise<void> {
  let left = Number(more);
  let good = 0;
  let slowest = 0;
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const began = performance.now();
      const socket = connect({ host, port });
      socket.on("data", () => {
        good += 1;
        socket.destroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        slowest = Math.max(slowest, performance.now() - began);
        resolve();
      });
    });
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await one();
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  say({ good, slowestMs: Math.round(slowest) });
}

/** Sends datagrams of these lengths, one after the other; what comes back, or what the system says. */
function datagrams(): void {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const lengths = more.split(",").map(Number);
  const back: number[] = [];
  socket.on("message", (message, from) => {
    back.push(message.length);
    const length = lengths[back.length];
    if (length !== undefined) socket.send(Buffer.alloc(length, 7));
    else {
      say({ back, from: `${from.address} ${from.port}` });
      socket.close();
    }
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    say({ error: error.code, back });
    socket.close();
  });
  // Connected: the system then tells what it was told.
  socket.connect(port, host, () => socket.send(Buffer.alloc(lengths[0] ?? 1, 7)));
}

const all: Record<string, () => void> = { talk, ask, stay, echo, many, datagrams };
all[what]?.();
