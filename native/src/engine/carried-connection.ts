import type { DialError } from "../dial-error.ts";
import type { DialPlan } from "../dial-plan.ts";
import type { CommandWriter } from "./command-writer.ts";
import { errorOf, type NativeFailure, writePlan } from "./native-plan.ts";
import { type CarrierOutcome, verbs } from "./protocol.ts";

/** Bytes sent to the target and received from it, exact up to 2^53. */
export interface CarriedTotals {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Whoever decides what becomes of a client. Everything is called on JavaScript's thread, in the order it happened. */
export interface CarriedClientListener {
  /** The client said something, and says no more until `say(…, true)`. The bytes are valid only during the call. */
  onData(bytes: Buffer): void;
  /** The target is reached, the client has its answer, and bytes move. `byLast`: by the last plan that was given. */
  onDialled(byLast: boolean): void;
  /** The target cannot be reached: the client waits for another plan, or for a refusal. */
  onFailed(error: DialError): void;
  /** The descriptor that was asked for: it is the listener's now, and nothing more will come. */
  onTaken(fd: number): void;
  /** What other kinds of connections report; the bytes are valid only during the call. */
  onOther?(kind: number, body: Buffer): void;
  /** It is over; the totals are final and exact. */
  onClosed(outcome: CarrierOutcome, totals: CarriedTotals): void;
}

/** What becomes of a client once its target is reached. Times in milliseconds. */
export interface CarryOptions {
  /** The client's answer. */
  readonly reply: Buffer | string;
  /** The reply's last six bytes are to be the address and port that the exit's connection is bound to (RFC 1928 §6). */
  readonly replyEndsInAddress: boolean;
  /** Of a second plan, in place of one under way: one that is open by then is kept, not cut. */
  readonly keepIfOpen?: boolean;
  /** What the client said already and the target has to hear. */
  readonly early: Uint8Array;
  readonly connectMs: number;
  readonly idleMs: number;
  readonly halfOpenIdleMs: number;
  /** Handles of a native allowance and rate; 0: none. */
  readonly allowance: number;
  readonly rate: number;
}

/** Listens to nothing: for those who want to hear of one thing alone. */
export const NOBODY: CarriedClientListener = {
  onData: () => {},
  onDialled: () => {},
  onFailed: () => {},
  onTaken: () => {},
  onClosed: () => {},
};
const CUT_WHEN_FLUSHED = 1;
const NOTHING: CarriedTotals = { sentBytes: 0, receivedBytes: 0 };

/** The engine as its connections see it. */
export interface ConnectionOwner {
  /** For writing one command; it is sent by the end of this turn. */
  writer(): CommandWriter;
  totals(index: number, generation: number): readonly [number, number] | null;
}

/** A connection that the engine has: a client to decide about, then a flow that is carried. */
export class CarriedConnection {
  readonly index: number;
  readonly generation: number;
  /** The client's address; empty for connections that were handed to the engine. */
  readonly address: string;
  readonly #owner: ConnectionOwner;
  #listener = NOBODY;
  #plan: DialPlan | undefined;
  #orders = 0;
  #totals: CarriedTotals = NOTHING;
  #over = false;
  #onEnd: (() => void) | undefined;

  constructor(owner: ConnectionOwner, index: number, generation: number, address: string) {
    this.#owner = owner;
    this.index = index;
    this.generation = generation;
    this.address = address;
  }

  listen(listener: CarriedClientListener): void {
    this.#listener = listener;
  }

  /** Calls back once when the engine has it no more, whoever listens by then. */
  onEnd(listener: () => void): void {
    this.#onEnd = listener;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Says something to a client that is not carried yet; `readOn`: and hears it again. */
  say(bytes: Uint8Array, readOn: boolean): void {
    const writer = this.#begin(verbs.write);
    writer.number(readOn ? 1 : 0);
    writer.bytes(bytes);
    writer.end();
  }

  /** Has the target dialled and the client's bytes carried there and back. */
  carry(plan: DialPlan, options: CarryOptions): void {
    this.#plan = plan;
    this.#orders += 1;
    const writer = this.#begin(verbs.carry);
    writer.number((options.replyEndsInAddress ? 1 : 0) | (options.keepIfOpen ? 2 : 0));
    writer.number(options.idleMs);
    writer.number(options.halfOpenIdleMs);
    writer.number(options.allowance);
    writer.number(options.rate);
    if (typeof options.reply === "string") writer.text(options.reply);
    else writer.bytes(options.reply);
    writer.bytes(options.early);
    writePlan(writer, plan, options.connectMs);
    writer.end();
  }

  /** It is carried already, by a plan that was given for it in advance. */
  isCarriedBy(plan: DialPlan): void {
    this.#plan = plan;
  }

  /** Last words and FIN; the client has `lingerMs` to read them, and what it still says is not heard. */
  refuse(lastWords: Buffer | string, lingerMs: number): void {
    const writer = this.#begin(verbs.refuse);
    writer.number(lingerMs);
    if (typeof lastWords === "string") writer.text(lastWords);
    else writer.bytes(lastWords);
    writer.end();
  }

  /**
   * Ends it with RST on both sides, whatever it is doing. `whenFlushed`: reads no more at once, and sends the RST when
   * what was charged has arrived, after 2 seconds at the latest.
   */
  cut({ whenFlushed = false } = {}): void {
    const writer = this.#begin(verbs.cut);
    if (whenFlushed) writer.number(CUT_WHEN_FLUSHED);
    writer.end();
  }

  /** Closes a client that is not carried yet without a word. */
  close(): void {
    this.#begin(verbs.close).end();
  }

  /** Asks for the client's descriptor; `onTaken` brings it, unless the client closes first. */
  take(): void {
    this.#begin(verbs.take).end();
  }

  /** An order of another kind of connection, without a body. */
  order(verb: number): void {
    this.#begin(verb).end();
  }

  /** As of now; final and exact once it is over. */
  totals(): CarriedTotals {
    if (!this.#over) {
      const totals = this.#owner.totals(this.index, this.generation);
      if (totals) this.#totals = { sentBytes: totals[0], receivedBytes: totals[1] };
    }
    return this.#totals;
  }

  /** For the engine: what it reports of this connection. */
  reportData(bytes: Buffer): void {
    this.#listener.onData(bytes);
  }

  /** @param orders how many plans had been given for it by then */
  reportDialled(orders: number): void {
    this.#listener.onDialled(orders === this.#orders);
  }

  reportFailed(failure: NativeFailure): void {
    // A plan in whose place another was given meanwhile has failed: nobody waits for that.
    if (this.#plan && failure.orders === this.#orders) this.#listener.onFailed(errorOf(failure, this.#plan));
  }

  reportTaken(fd: number): void {
    this.#over = true;
    this.#onEnd?.();
    this.#listener.onTaken(fd);
  }

  reportOther(kind: number, body: Buffer): void {
    this.#listener.onOther?.(kind, body);
  }

  reportClosed(outcome: CarrierOutcome, totals: CarriedTotals): void {
    this.#over = true;
    this.#totals = totals;
    this.#onEnd?.();
    this.#listener.onClosed(outcome, totals);
  }

  #begin(verb: number): CommandWriter {
    const writer = this.#owner.writer();
    writer.begin(verb, this.index, this.generation);
    return writer;
  }
}
