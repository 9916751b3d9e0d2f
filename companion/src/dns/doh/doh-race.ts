import type { DialTarget } from "../../upstream/dialing-agent.ts";
import type { DohServer } from "../resolver.ts";
import { type Answer, readAnswer } from "../wire/answer.ts";
import { RCODE } from "../wire/codes.ts";
import { type WantedRecord, writeQuery } from "../wire/write-query.ts";
import { DohClient } from "./doh-client.ts";

export interface DohRaceOptions {
  readonly servers: readonly DohServer[];
  readonly dial: DialTarget;
  readonly authorities?: readonly string[] | undefined;
  /** Longest that all of them together may take, in milliseconds. */
  readonly timeoutMs?: number;
}

interface Runner {
  readonly client: DohClient;
  readonly name: string;
  /** Milliseconds to an answer, smoothed. */
  latency: number;
  /** In a row. */
  failures: number;
  /** When the last failure was. */
  failedAt: number;
}

const FIRST_GUESS_MS = 150;
const SMOOTHING = 0.25;
/** How long the others wait for the best one before the next is asked too. */
const HEAD_START = { least: 100, most: 1_000 } as const;
const FAILURE_COSTS_MS = 2_000;
const FAILURE_FORGOTTEN_MS = 30_000;

/**
 * Asks several servers: the fastest one first, the next one when it takes longer than usual or fails, and takes the first
 * answer that stands up to the checks. So a name is told to as few servers as may be, and one that is gone costs little.
 */
export class DohRace {
  readonly #runners: readonly Runner[];
  readonly #timeoutMs: number;

  constructor({ servers, dial, authorities, timeoutMs = 8_000 }: DohRaceOptions) {
    this.#runners = servers.map((server) => ({
      client: new DohClient({ server, dial, authorities }),
      name: server.name,
      latency: FIRST_GUESS_MS,
      failures: 0,
      failedAt: 0,
    }));
    this.#timeoutMs = timeoutMs;
  }

  /** @throws AggregateError when no server gave an answer in time */
  async ask(wanted: WantedRecord): Promise<Answer> {
    const message = writeQuery(wanted);
    if (message === undefined) throw new Error("The name is longer than a query can hold.");
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(new Error("No server answered in time.")), this.#timeoutMs);
    try {
      return await this.#run(message, wanted, over.signal);
    } finally {
      clearTimeout(timer);
      over.abort(new Error("Another server was faster."));
    }
  }

  close(): void {
    for (const { client } of this.#runners) client.close();
  }

  async #run(message: Buffer, wanted: WantedRecord, signal: AbortSignal): Promise<Answer> {
    const waiting = this.#inOrder();
    const { promise: won, resolve: win, reject: lose } = Promise.withResolvers<Answer>();
    const problems: unknown[] = [];
    // An answer that says that the server itself failed: only if nobody knows better.
    let poor: Answer | undefined;
    let running = 0;
    let headStart: NodeJS.Timeout | undefined;
    const startNext = (): void => {
      clearTimeout(headStart);
      const runner = waiting.shift();
      if (runner === undefined) {
        if (running > 0) return;
        if (poor) win(poor);
        else lose(new AggregateError(problems, "No DNS server answered."));
        return;
      }
      running++;
      const wait = Math.min(HEAD_START.most, Math.max(HEAD_START.least, 2 * runner.latency));
      if (waiting.length > 0) headStart = setTimeout(startNext, wait);
      this.#askOne(runner, message, wanted, signal).then(
        (answer) => {
          running--;
          if (isGood(answer)) win(answer);
          else {
            poor ??= answer;
            startNext();
          }
        },
        (problem: unknown) => {
          running--;
          problems.push(problem);
          if (!signal.aborted) startNext();
        },
      );
    };
    // Whoever dials may never come back.
    signal.addEventListener("abort", () => lose(signal.reason), { once: true });
    startNext();
    return won.finally(() => clearTimeout(headStart));
  }

  async #askOne(runner: Runner, message: Buffer, wanted: WantedRecord, signal: AbortSignal): Promise<Answer> {
    const started = performance.now();
    try {
      const { message: bytes, age } = await runner.client.ask(message, signal);
      const answer = readAnswer(bytes, wanted);
      if (answer === undefined)
        throw new Error(`${runner.name} sent something that does not answer the question.`);
      runner.latency += SMOOTHING * (performance.now() - started - runner.latency);
      runner.failures = 0;
      return age === 0 ? answer : aged(answer, age);
    } catch (error) {
      const elapsed = performance.now() - started;
      if (!signal.aborted) {
        runner.failures++;
        runner.failedAt = performance.now();
      } else if (elapsed > runner.latency) runner.latency += SMOOTHING * (elapsed - runner.latency);
      throw error;
    }
  }

  #inOrder(): Runner[] {
    const now = performance.now();
    const cost = ({ latency, failures, failedAt }: Runner): number =>
      now - failedAt > FAILURE_FORGOTTEN_MS ? latency : latency + failures * FAILURE_COSTS_MS;
    return [...this.#runners].sort((one, other) => cost(one) - cost(other));
  }
}

function isGood({ rcode }: Answer): boolean {
  return rcode === RCODE.noError || rcode === RCODE.nxDomain;
}

/** What a cache of HTTP has held for a while holds for so much less. */
function aged(answer: Answer, age: number): Answer {
  const records = answer.records.map((record) => ({ ...record, ttl: Math.max(0, record.ttl - age) }));
  return { ...answer, records };
}
