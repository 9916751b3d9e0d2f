/**
 * The native-messaging host: run by the browser, as its user, for the extension's port. It carries messages between
 * the browser's frames and the companion's control socket, and knows no secret but a single-use pairing ticket.
 * It imports little, because a sleeping extension waits for it.
 */
import { connect, type Socket } from "node:net";
import { ownerToExpect } from "../control/trusted-socket.ts";
import { pathsToSpeakTo } from "../data-paths.ts";
import { encodeFrame, FrameReader } from "./framing.ts";
import { LineCutter } from "./line-cutter.ts";

const { ATLANTIC_EXTENSION_ID: extensionId, ATLANTIC_PAIRING_TICKET: ticket } = process.env;
process.title = "atlantic-relay";

// Chrome names the calling origin; Firefox its manifest and then the extension's id.
const origin = process.argv.slice(2).find((argument) => isOrigin(argument));
if (origin === undefined)
  absent("This extension may not talk to the companion: only Atlantic Proxy's own may.");
else relay(origin);

function isOrigin(argument: string): boolean {
  if (extensionId === undefined) return false;
  return argument === `chrome-extension://${extensionId}/` || argument === extensionId;
}

function relay(from: string): void {
  const path = pathsToSpeakTo().controlSocket;
  if (!isTrusted(path)) {
    absent("The companion is not running: start it with npm start.");
    return;
  }
  const socket = connect(path);
  socket.once("connect", () => {
    const params = { origin: from, ...(ticket ? { ticket } : {}) };
    socket.write(`${JSON.stringify({ tell: "relay.open", params })}\n`);
    fromBrowser(socket);
    fromCompanion(socket);
  });
  socket.once("error", () => absent("The companion does not answer: start it with npm start."));
}

/** Another user's socket in a shared temporary directory could pass for the companion. */
function isTrusted(path: string): boolean {
  try {
    return ownerToExpect(path) !== undefined;
  } catch {
    return false;
  }
}

function fromBrowser(socket: Socket): void {
  const reader = new FrameReader();
  process.stdin.on("data", (chunk: Buffer) => {
    try {
      // A line end may stand between the parts of a JSON text; on the socket it would end the message.
      for (const message of reader.push(chunk)) socket.write(`${message.replace(/[\r\n]/g, " ")}\n`);
    } catch {
      process.exit(1);
    }
  });
  process.stdin.on("end", () => process.exit(0));
  process.stdout.on("error", () => process.exit(0));
}

function fromCompanion(socket: Socket): void {
  const cutter = new LineCutter();
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    for (const line of cutter.push(text)) process.stdout.write(encodeFrame(line));
  });
  socket.on("close", () => process.exit(0));
}

/** Tells the extension why nobody is there, and ends: the browser then closes the extension's port. */
function absent(problem: string): void {
  process.stdout.write(encodeFrame(JSON.stringify({ tell: "link.absent", params: { problem } })), () =>
    process.exit(0),
  );
}
