import { constants, type ServerHttp2Stream } from "node:http2";
import { findHeadEnd, parseHead, RESPONSE_HEAD_LIMITS } from "../http/head.ts";
import { breakStream } from "./break-stream.ts";
import type { StreamRequest } from "./request-fields.ts";
import { responseFields } from "./response-fields.ts";
import type { StreamTraffic } from "./stream-traffic.ts";
import { resetByPeer, VirtualSocket } from "./virtual-socket.ts";

const EMPTY: Buffer = Buffer.alloc(0);

/**
 * The stream of an HTTP/2 CONNECT (RFC 9113 §8.5) in the clothes of a client's TCP connection that sent the same
 * CONNECT by HTTP/1.1: its header becomes the first bytes to read, the answer's header becomes HEADERS, everything
 * after that is DATA. END_STREAM stands for FIN, RST_STREAM for RST.
 */
export class TunnelSocket extends VirtualSocket {
  readonly #stream: ServerHttp2Stream;
  readonly #traffic: StreamTraffic;
  /** What was written of the answer's header so far; undefined once it is out. */
  #head: Buffer | undefined = EMPTY;
  /** Whether the answer was that the tunnel is open. */
  #open = false;

  constructor(stream: ServerHttp2Stream, request: StreamRequest, traffic: StreamTraffic) {
    super();
    this.#stream = stream;
    this.#traffic = traffic;
    this.push(connectHead(request));
    // RFC 9113 §8.5: nothing but DATA belongs on the stream of a tunnel.
    stream.on("trailers", () => breakStream(stream, constants.NGHTTP2_PROTOCOL_ERROR));
    stream.on("aborted", () => this.destroy(resetByPeer()));
    stream.on("close", () => this.#onStreamClose());
    if (stream.destroyed) this.destroy(resetByPeer());
  }

  /** From the answer on; before that what the client sends waits in the stream, held back by its flow control. */
  #startReading(): void {
    const stream = this.#stream;
    stream.on("data", (chunk: Buffer) => {
      this.#traffic.add(chunk.length);
      if (!this.deliver(chunk)) stream.pause();
    });
    stream.on("end", () => {
      if (!stream.aborted) this.push(null);
    });
  }

  #onStreamClose(): void {
    if (this.destroyed) return;
    if (this.#stream.rstCode === constants.NGHTTP2_NO_ERROR && this.#stream.readableEnded) this.destroy();
    else this.destroy(resetByPeer());
  }

  override _read(): void {
    if (this.#open) this.#stream.resume();
  }

  protected writeOn(bytes: Buffer, done: (error?: Error | null) => void): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) {
      done(resetByPeer());
      return;
    }
    const body = this.#head === undefined ? bytes : this.#answer(this.#head, bytes);
    this.#traffic.add(body.length);
    if (body.length === 0) done();
    else this.#stream.write(body, done);
  }

  /** Sends the header once it is whole. @returns what comes behind it */
  #answer(before: Buffer, bytes: Buffer): Buffer {
    const head = before.length === 0 ? bytes : Buffer.concat([before, bytes]);
    const end = findHeadEnd(head, RESPONSE_HEAD_LIMITS);
    if (end < 0) {
      this.#head = head;
      return EMPTY;
    }
    this.#head = undefined;
    const { startLine, fields } = parseHead(head.toString("latin1", 0, end - 4), RESPONSE_HEAD_LIMITS);
    const status = Number(startLine.split(" ")[1]);
    const raw = fields.flatMap(({ lower, value }) => [lower, value]);
    try {
      this.#stream.respond(responseFields(status, raw));
    } catch {
      breakStream(this.#stream, constants.NGHTTP2_INTERNAL_ERROR);
      return EMPTY;
    }
    this.#open = status >= 200 && status < 300;
    if (this.#open) this.#startReading();
    return head.subarray(end);
  }

  protected endOn(done: () => void): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
    // Whoever was refused has nothing more to say on this stream.
    if (!this.#open) this.push(null);
    done();
  }

  protected closeOn(error: Error | null): void {
    const stream = this.#stream;
    if (stream.closed) return;
    if (this.wasReset || error) breakStream(stream, constants.NGHTTP2_CONNECT_ERROR);
    else if (this.#head !== undefined) breakStream(stream, constants.NGHTTP2_CANCEL);
    else this.#closeCleanly();
  }

  /** RFC 9113 §8.1: an answer that is whole may be followed by a reset without error, so that nothing more is sent. */
  #closeCleanly(): void {
    const stream = this.#stream;
    if (!stream.writableEnded) stream.end();
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

function connectHead({ authority, fields }: StreamRequest): Buffer {
  let head = `CONNECT ${authority} HTTP/1.1\r\n`;
  for (let index = 0; index + 1 < fields.length; index += 2)
    head += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return Buffer.from(`${head}\r\n`, "latin1");
}
