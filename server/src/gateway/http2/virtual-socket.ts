import { Socket } from "node:net";

/**
 * A byte stream that passes for a TCP connection where a client's socket is wanted: with both halves, a reset, and
 * the time-out of a socket, for which nobody has to run a timer.
 */
export abstract class VirtualSocket extends Socket {
  #idleMs = 0;
  #touched = performance.now();
  /** Whether it ends as a broken connection does. */
  protected wasReset = false;

  constructor() {
    super({ allowHalfOpen: true });
  }

  /** Puts bytes where the reader finds them. @returns false when the reader does not keep up */
  protected deliver(bytes: Buffer): boolean {
    this.#touched = performance.now();
    return this.push(bytes);
  }

  protected abstract writeOn(bytes: Buffer, done: (error?: Error | null) => void): void;
  protected abstract endOn(done: () => void): void;
  protected abstract closeOn(error: Error | null): void;

  override _write(
    bytes: Buffer | string,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#touched = performance.now();
    this.writeOn(typeof bytes === "string" ? Buffer.from(bytes, encoding) : bytes, done);
  }

  override _writev(
    chunks: { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const parts = chunks.map(({ chunk, encoding }) =>
      typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk,
    );
    this._write(Buffer.concat(parts), "binary", done);
  }

  override _final(done: () => void): void {
    this.endOn(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.closeOn(error);
    done(error);
    // Node's sockets say it themselves, where a descriptor is closed.
    process.nextTick(() => this.emit("close", error !== null));
  }

  override resetAndDestroy(): this {
    this.wasReset = true;
    return this.destroy();
  }

  override setTimeout(timeout: number, callback?: () => void): this {
    this.#idleMs = timeout;
    this.#touched = performance.now();
    if (callback) this.once("timeout", callback);
    return this;
  }

  /** Asked about once a second: says `timeout` when nothing has moved for as long as was set. */
  checkIdle(now: number): void {
    if (this.#idleMs > 0 && now - this.#touched >= this.#idleMs) {
      this.#touched = now;
      this.emit("timeout");
    }
  }
}

/** What a socket says that was reset by the other side. */
export function resetByPeer(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
}
