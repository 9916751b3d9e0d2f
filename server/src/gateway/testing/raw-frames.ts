import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { anyOf } from "./raw-client.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
};

/** A client that writes HTTP/2 frame by frame (RFC 9113 §4.1), also such as no library would. */
export interface RawFrames {
  readonly socket: TLSSocket;
  send(...frames: Buffer[]): void;
  /** The error code of the server's GOAWAY; rejects when it closes without one. */
  goAway(): Promise<number>;
}

export async function rawFrames(port: number, ca: string): Promise<RawFrames> {
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  let received: Buffer = Buffer.alloc(0);
  let left: number | undefined;
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      const end = 9 + received.readUIntBE(0, 3);
      if (received[3] === FRAME.goAway) left ??= received.readUInt32BE(13);
      received = received.subarray(end);
    }
  });
  socket.write(PREFACE);
  socket.write(frame(FRAME.settings, 0, 0));
  return {
    socket,
    send: (...frames) => void socket.write(Buffer.concat(frames)),
    async goAway() {
      while (left === undefined || left === 0) {
        if (socket.destroyed) throw new Error("The server left without a word.");
        await anyOf(socket, ["data", "close"]);
      }
      return left;
    },
  };
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header block of literal fields without indexing (RFC 7541 §6.2.2), values shorter than 127 bytes. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}
