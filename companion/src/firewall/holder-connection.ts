import { createConnection, type Socket } from "node:net";
import { encodeFrame, FrameReader } from "../native-messaging/framing.ts";
import type { FirewallTrouble } from "./firewall.ts";
import { FirewallError, HolderGoneError } from "./firewall-error.ts";
import {
  type HolderAnswer,
  type HolderHello,
  type HolderOrder,
  holderSaidSchema,
} from "./holder-messages.ts";

interface Waiting {
  readonly resolve: (answer: HolderAnswer) => void;
  readonly reject: (error: Error) => void;
}

export interface HolderListener {
  trouble(trouble: FirewallTrouble): void;
  /** The conversation is over, and this side did not end it. */
  gone(): void;
}

/** A transaction takes milliseconds. Whoever takes so much longer hangs, and nobody may wait for it for ever. */
const PATIENCE_MS = 30_000;

/** One conversation with the process that holds the rules. */
export class HolderConnection {
  readonly hello: HolderHello;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended = false;

  private constructor(socket: Socket, hello: HolderHello, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.hello = hello;
  }

  /**
   * @param timeoutMs how long it may take for an answer, and to say what it is
   * @throws Error when nothing listens there, or it does not say what it is
   */
  static open(path: string, listener: HolderListener, timeoutMs = PATIENCE_MS): Promise<HolderConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path);
      const reader = new FrameReader();
      let connection: HolderConnection | undefined;
      const timer = setTimeout(() => socket.destroy(new Error("It does not say what it is.")), timeoutMs);
      socket.on("data", (chunk) => {
        try {
          for (const text of reader.push(chunk)) {
            const said = holderSaidSchema.parse(JSON.parse(text));
            if (said.is === "hello") {
              clearTimeout(timer);
              connection = new HolderConnection(socket, said, timeoutMs);
              resolve(connection);
            } else if (said.is === "trouble") listener.trouble(said.trouble);
            else if (connection) connection.#answered(said);
          }
        } catch (cause) {
          socket.destroy(new Error("It does not speak as the holder of the firewall does.", { cause }));
        }
      });
      socket.on("error", reject);
      socket.on("close", () => {
        clearTimeout(timer);
        if (!connection) reject(new Error("It ended the conversation before it began."));
        else if (connection.#over()) listener.gone();
      });
    });
  }

  /** @throws FirewallError when the holder refuses; HolderGoneError when it is gone, or hangs, before it answers */
  async ask(order: HolderOrder): Promise<HolderAnswer> {
    if (this.#ended) throw new HolderGoneError(UNKNOWN);
    this.#lastId += 1;
    const id = this.#lastId;
    const late = setTimeout(() => this.#socket.destroy(), this.#timeoutMs);
    const answer = await new Promise<HolderAnswer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(encodeFrame(JSON.stringify({ id, order })));
    }).finally(() => clearTimeout(late));
    if (answer.is === "refused")
      throw new FirewallError(
        `The firewall's rules were not changed: ${answer.reason}. Those from before hold on.`,
      );
    return answer;
  }

  end(): Promise<void> {
    this.#over();
    return new Promise((resolve) => {
      if (this.#socket.closed) return resolve();
      this.#socket.once("close", () => resolve());
      this.#socket.end();
    });
  }

  #answered(answer: HolderAnswer): void {
    this.#waiting.get(answer.id)?.resolve(answer);
    this.#waiting.delete(answer.id);
  }

  /** @returns whether it was not over before */
  #over(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(new HolderGoneError(UNKNOWN));
    this.#waiting.clear();
    return true;
  }
}

const UNKNOWN =
  "The process that holds the firewall's rules ended before it answered: either the old rules hold or the new ones. " +
  "It is started again; try once more.";
