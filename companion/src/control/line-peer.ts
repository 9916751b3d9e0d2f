import type { Socket } from "node:net";
import { type Envelope, envelopeSchema } from "@atlantic/shared/control/messages.ts";
import { ControlFailure } from "./control-failure.ts";
import { LineReader } from "./line-reader.ts";

/** What one end of a control connection does with what the other end says. */
export interface PeerHandlers {
  /** Its result is the reply; a thrown `ControlFailure` is the error. */
  ask(name: string, params: unknown): Promise<unknown>;
  tell(name: string, params: unknown): void;
}

/** A peer that does not read is cut off when this much waits for it. */
const MAX_WAITING_BYTES = 8_000_000;

/** Requests of one peer that may be under way at once. */
const MAX_UNDER_WAY = 256;

const tooMany = { code: "unavailable", message: "Too many requests at once. Wait for replies." } as const;

/** Both ends may ask and tell: JSON envelopes, one a line. Whatever comes, it does not throw. */
export class LinePeer {
  readonly #socket: Socket;
  readonly #handlers: PeerHandlers;
  readonly #replies = new Map<
    number,
    { resolve(result: unknown): void; reject(error: ControlFailure): void }
  >();
  #lastId = 0;
  #underWay = 0;
  /** Resolves when the connection is closed; never rejects. */
  readonly closed: Promise<void>;

  constructor(socket: Socket, handlers: PeerHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    const reader = new LineReader();
    socket.on("data", (chunk: Buffer) => this.#read(reader, chunk));
    socket.on("error", () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#failAll();
        resolve();
      });
    });
  }

  /** @throws ControlFailure */
  ask(name: string, params: unknown): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(connectionLost());
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#replies.set(id, { resolve, reject });
      this.#send({ id, ask: name, params });
    });
  }

  tell(name: string, params: unknown): void {
    this.#send({ tell: name, params });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(reader: LineReader, chunk: Buffer): void {
    try {
      for (const line of reader.push(chunk)) this.#handle(line);
    } catch {
      // Too long a line: there is no telling where the next message begins.
      this.close();
    }
  }

  #handle(line: string): void {
    const message = parseEnvelope(line);
    if (!message) this.close();
    else if ("ask" in message) void this.#answer(message.id, message.ask, message.params);
    else if ("tell" in message) this.#handlers.tell(message.tell, message.params);
    else this.#settle(message);
  }

  async #answer(id: number, name: string, params: unknown): Promise<void> {
    if (this.#underWay >= MAX_UNDER_WAY) {
      this.#send({ id, error: tooMany });
      return;
    }
    this.#underWay += 1;
    try {
      this.#send({ id, result: await this.#handlers.ask(name, params) });
    } catch (error) {
      this.#send({ id, error: errorBody(error) });
    } finally {
      this.#underWay -= 1;
    }
  }

  #settle(message: Exclude<Envelope, { ask: string } | { tell: string }>): void {
    const reply = this.#replies.get(message.id);
    this.#replies.delete(message.id);
    if ("error" in message) reply?.reject(new ControlFailure(message.error.code, message.error.message));
    else reply?.resolve(message.result);
  }

  #send(envelope: Envelope): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.write(`${JSON.stringify(envelope)}\n`);
    if (this.#socket.writableLength > MAX_WAITING_BYTES) this.close();
  }

  #failAll(): void {
    for (const { reject } of this.#replies.values()) reject(connectionLost());
    this.#replies.clear();
  }
}

function parseEnvelope(line: string): Envelope | undefined {
  try {
    return envelopeSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function errorBody(error: unknown): { code: ControlFailure["code"]; message: string } {
  if (error instanceof ControlFailure) return { code: error.code, message: error.message };
  return { code: "internal", message: "The companion failed inside. Its log says more." };
}

function connectionLost(): ControlFailure {
  return new ControlFailure("unavailable", "The connection was lost before the reply came.");
}
