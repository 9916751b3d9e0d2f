import {
  type BrowserNotice,
  browserNotices,
  type CompanionNotice,
  type CompanionRequest,
  type companionNotices,
  companionRequests,
  envelopeSchema,
} from "@atlantic/shared/control/messages.ts";
import type { Browser } from "wxt/browser";
import { browser } from "wxt/browser";
import type { z } from "zod";
import { NATIVE_HOST } from "../../id.ts";
import { linkProblem } from "./link-problem.ts";

type Params<Request extends CompanionRequest> = z.input<(typeof companionRequests)[Request]["params"]>;
type Result<Request extends CompanionRequest> = z.output<(typeof companionRequests)[Request]["result"]>;

/** What the companion says unasked, and what becomes of the connection. */
export interface WireEvents {
  opened(): void;
  /** `problem`: why it is gone, for people. */
  closed(problem: string): void;
  told<Notice extends BrowserNotice>(
    notice: Notice,
    params: z.output<(typeof browserNotices)[Notice]["params"]>,
  ): void;
  /** The companion asks; the promise is the reply. */
  asked(request: string, params: unknown): Promise<unknown>;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

const ASK_TIMEOUT_MS = 30_000;

/** Nothing came back in time, although the port is open. */
export class NoAnswer extends Error {
  constructor() {
    super("The companion did not answer.");
  }
}

/** The control messages to and from the companion over one native-messaging port at a time. */
export class Wire {
  readonly #events: WireEvents;
  readonly #waiting = new Map<number, Waiting>();
  #port: Browser.runtime.Port | null = null;
  #nextId = 1;
  #problem: string | null = null;

  constructor(events: WireEvents) {
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#port !== null;
  }

  open(): void {
    if (this.#port) return;
    this.#problem = null;
    const port = browser.runtime.connectNative(NATIVE_HOST);
    this.#port = port;
    port.onMessage.addListener((message) => this.#receive(message));
    port.onDisconnect.addListener(() => {
      if (this.#port === port) this.#lost(linkProblem(browser.runtime.lastError?.message));
    });
    this.#events.opened();
  }

  /** Gives the port up, as if the other end had closed it. */
  drop(problem: string): void {
    this.#port?.disconnect();
    if (this.#port) this.#lost(problem);
  }

  /** @throws Error with the companion's sentence, or when the link ends first; NoAnswer */
  ask<Request extends CompanionRequest>(
    request: Request,
    params: Params<Request>,
    timeoutMs: number = ASK_TIMEOUT_MS,
  ): Promise<Result<Request>> {
    const port = this.#port;
    if (!port) return Promise.reject(new Error("The companion is not connected."));
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(new NoAnswer()), timeoutMs);
      this.#waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      port.postMessage({ id, ask: request, params });
    }).then((result) => companionRequests[request].result.parse(result) as Result<Request>);
  }

  tell<Notice extends CompanionNotice>(
    notice: Notice,
    params: z.input<(typeof companionNotices)[Notice]["params"]>,
  ): void {
    this.#port?.postMessage({ tell: notice, params });
  }

  #receive(message: unknown): void {
    const envelope = envelopeSchema.safeParse(message).data;
    if (!envelope) return;
    if ("tell" in envelope) this.#told(envelope.tell, envelope.params);
    else if ("ask" in envelope) this.#asked(envelope.id, envelope.ask, envelope.params);
    else if ("error" in envelope) this.#settle(envelope.id)?.reject(new Error(envelope.error.message));
    else this.#settle(envelope.id)?.resolve(envelope.result);
  }

  #told(name: string, params: unknown): void {
    if (!Object.hasOwn(browserNotices, name)) return;
    const notice = name as BrowserNotice;
    const parsed = browserNotices[notice].params.safeParse(params);
    if (!parsed.success) return;
    if (notice === "link.absent" && "problem" in parsed.data) this.#problem = parsed.data.problem;
    this.#events.told(notice, parsed.data);
  }

  #asked(id: number, request: string, params: unknown): void {
    const port = this.#port;
    this.#events.asked(request, params).then(
      (result) => port?.postMessage({ id, result }),
      (error: unknown) =>
        port?.postMessage({ id, error: { code: "unavailable", message: sentenceOf(error) } }),
    );
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #lost(problem: string): void {
    this.#port = null;
    const reason = this.#problem ?? problem;
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
    this.#events.closed(reason);
  }
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
