import type { ServerHttp2Stream } from "node:http2";

/** Counts what the streams of one connection carry in DATA frames, both directions. */
export class StreamTraffic {
  readonly #open = new Set<ServerHttp2Stream>();
  #bytes = 0;

  opened(stream: ServerHttp2Stream): void {
    this.#open.add(stream);
    stream.once("close", () => {
      this.#open.delete(stream);
      // It came over the wire, though nobody will read it any more.
      this.#bytes += stream.readableLength;
    });
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** What arrived and waits in a stream to be read is among it. */
  get bytes(): number {
    let waiting = 0;
    for (const { readableLength } of this.#open) waiting += readableLength;
    return this.#bytes + waiting;
  }
}
