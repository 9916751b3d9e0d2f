import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Finding, shown } from "../finding.ts";
import { type Request, type Response, readRequest, readResponse } from "./message.ts";

/** How the other side has ended its half; null while it has not. */
export type WireEnd = "fin" | "reset" | null;

/** How long a case waits for what must come. */
export const PATIENCE_MS = 3_000;

/** One end of a TCP connection that says exactly what it is told to and keeps what it hears, to be read in order. */
export class Wire {
  readonly socket: Socket;
  readonly #name: string;
  #bytes: Buffer = Buffer.alloc(0);
  #all = 0;
  #end: WireEnd = null;
  readonly #waiting = new Set<() => void>();

  /** @param name how it is called in findings: "client" or "origin" */
  constructor(socket: Socket, name: string) {
    this.socket = socket;
    this.#name = name;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      this.#all += chunk.length;
      this.#wake();
    });
    socket.on("end", () => this.#ended("fin"));
    socket.on("error", () => this.#ended("reset"));
    socket.on("close", () => this.#ended("reset"));
  }

  #ended(how: "fin" | "reset"): void {
    // A reset after a FIN is the usual way for a socket to go: the FIN is what was said first.
    this.#end ??= how;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** What has been received and not been read yet. */
  get unread(): Buffer {
    return this.#bytes;
  }

  /** How many bytes have been received in all. */
  get received(): number {
    return this.#all;
  }

  get end(): WireEnd {
    return this.#end;
  }

  /** The bytes of text are Latin-1. */
  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Sends in pieces that arrive one by one. */
  async sendInPieces(bytes: string | Buffer, size = 1): Promise<void> {
    const buffer = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    for (let at = 0; at < buffer.length; at += size) {
      this.socket.write(buffer.subarray(at, at + size));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Ends this half of the connection, after these last bytes. */
  finish(bytes: string | Buffer = ""): void {
    this.socket.end(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /**
   * Waits until `look` finds something in what is unread, or the other side has ended.
   * @throws Finding when it does not come in time, or can no longer come
   */
  async waitFor<T>(what: string, look: () => T | undefined, patienceMs = PATIENCE_MS): Promise<T> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#end !== null) throw this.#missing(what, `the connection ended (${this.#end})`);
      const left = deadline - Date.now();
      if (left <= 0) throw this.#missing(what, `nothing more came in ${patienceMs} ms`);
      await this.#change(left);
    }
  }

  #change(patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, patienceMs);
      this.#waiting.add(done);
    });
  }

  #missing(what: string, why: string): Finding {
    const got = this.#bytes.length === 0 ? "nothing" : shown(this.#bytes);
    return new Finding(`The ${this.#name} waited for ${what}, but ${why}; it got ${got}.`);
  }

  /** Reads one request. @throws Finding */
  async request(patienceMs?: number): Promise<Request> {
    const look = () => readRequest(this.#bytes, this.#end !== null);
    return this.#take(await this.waitFor("a request", look, patienceMs));
  }

  /** Reads one response, interim ones too. @throws Finding */
  async response(options: { bodiless?: boolean } = {}, patienceMs?: number): Promise<Response> {
    const look = () => readResponse(this.#bytes, { ...options, over: this.#end !== null });
    return this.#take(await this.waitFor("a response", look, patienceMs));
  }

  #take<M extends { readonly used: number }>(message: M): M {
    this.#bytes = this.#bytes.subarray(message.used);
    return message;
  }

  /** Reads this many bytes. @throws Finding */
  async take(count: number, patienceMs?: number): Promise<Buffer> {
    const look = () => (this.#bytes.length >= count ? this.#bytes.subarray(0, count) : undefined);
    const taken = await this.waitFor(`${count} bytes`, look, patienceMs);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  /** Reads up to and with this text. @throws Finding */
  async upTo(text: string, patienceMs?: number): Promise<string> {
    const look = () => {
      const at = this.#bytes.indexOf(text, 0, "latin1");
      return at < 0 ? undefined : at + text.length;
    };
    return (await this.take(await this.waitFor(shown(text), look, patienceMs))).toString("latin1");
  }

  /** Waits until the other side has ended its half. @throws Finding when it does not in time */
  async ended(patienceMs = PATIENCE_MS): Promise<"fin" | "reset"> {
    const deadline = Date.now() + patienceMs;
    while (this.#end === null) {
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Finding(
          `The ${this.#name}'s connection should have been closed but was still open after ${patienceMs} ms; unread is ${shown(this.#bytes)}.`,
        );
      await this.#change(left);
    }
    return this.#end;
  }

  /** Waits until this is true of it, or the time is over; never throws. @returns whether it became true */
  async becomes(condition: () => boolean, patienceMs = PATIENCE_MS): Promise<boolean> {
    const deadline = Date.now() + patienceMs;
    while (!condition()) {
      const left = deadline - Date.now();
      if (left <= 0) return condition();
      // The condition may be about another connection, whose changes nobody tells this one.
      await this.#change(Math.min(left, 5));
    }
    return true;
  }
}

/** Connects to a proxy. */
export async function openWire(host: string, port: number, name = "client"): Promise<Wire> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  return new Wire(socket, name);
}
