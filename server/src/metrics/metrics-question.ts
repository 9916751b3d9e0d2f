import { z } from "zod";
import type { MetricFamily } from "./metric-family.ts";

/** A process that has not answered by then has none to tell. */
const PATIENCE_MS = 2_000;

const questionSchema = z.object({ kind: z.literal("metrics") });
const QUESTION: z.infer<typeof questionSchema> = { kind: "metrics" };

/** Whether another process has sent this to know the metrics of this one. */
export function asksForMetrics(message: unknown): boolean {
  return questionSchema.safeParse(message).success;
}

type Answer = readonly MetricFamily[] | null;

/** Asks another process for its metrics. Who asks while it is being asked waits for the same answer. */
export class MetricsQuestion {
  readonly #send: (question: object) => void;
  #asked: PromiseWithResolvers<Answer> | undefined;

  /** @param send sends a message to the process; may throw */
  constructor(send: (question: object) => void) {
    this.#send = send;
  }

  /** @returns null when it does not answer in time */
  async ask(): Promise<Answer> {
    if (this.#asked) return this.#asked.promise;
    const asked = Promise.withResolvers<Answer>();
    this.#asked = asked;
    const timer = setTimeout(() => asked.resolve(null), PATIENCE_MS);
    try {
      this.#send(QUESTION);
      return await asked.promise;
    } catch {
      asked.resolve(null);
      return null;
    } finally {
      clearTimeout(timer);
      this.#asked = undefined;
    }
  }

  /** The process has answered, or has ended (null); too late an answer is nobody's. */
  answered(families: Answer): void {
    this.#asked?.resolve(families);
  }
}
