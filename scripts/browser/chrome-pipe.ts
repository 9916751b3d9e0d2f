import type { Readable, Writable } from "node:stream";
import { z } from "zod";

const replySchema = z.union([
  z.object({ id: z.int(), result: z.looseObject({}) }),
  z.object({ id: z.int(), error: z.object({ message: z.string() }) }),
  z.object({ method: z.string() }),
]);

/**
 * The Chrome DevTools Protocol over --remote-debugging-pipe: JSON messages that end with a zero byte.
 * Chrome of the brand no longer reads --load-extension; over the pipe it loads an unpacked extension.
 */
export class ChromePipe {
  readonly #input: Writable;
  readonly #waiting = new Map<
    number,
    { resolve: (result: object) => void; reject: (error: Error) => void }
  >();
  #next = 1;
  #rest = "";

  constructor(input: Writable, output: Readable) {
    this.#input = input;
    output.setEncoding("utf8");
    output.on("data", (text: string) => this.#receive(text));
    output.on("close", () => this.#fail(new Error("The browser was closed.")));
    input.on("error", (error) => this.#fail(error));
  }

  /** Asks the browser. @throws Error with the browser's own words when it refuses. */
  ask(method: string, params: object): Promise<object> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#input.write(`${JSON.stringify({ id, method, params })}\0`);
    });
  }

  #receive(text: string): void {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop() ?? "";
    for (const message of messages) {
      const reply = replySchema.parse(JSON.parse(message));
      if (!("id" in reply)) continue;
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ("error" in reply) waiting?.reject(new Error(reply.error.message));
      else waiting?.resolve(reply.result);
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
