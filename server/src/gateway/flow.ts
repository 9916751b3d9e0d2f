import type {
  ConnectionEnd,
  ConnectionRecord,
  ConnectionTotals,
  MeteredConnection,
} from "../metering/usage-recorder.ts";
import { type FlowLimits, noFlowLimits } from "./flow-limits.ts";

/** What moves besides the flow's own counters: a relay's bytes, or another carrier's bytes and requests. */
export interface LiveCounters {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly requests?: number;
}

/** One metered connection: from the client's wish to the last byte. */
export class Flow implements MeteredConnection {
  #record: ConnectionRecord;
  /** Bytes as the exit sees them; see docs/metering.md. */
  sentBytes = 0;
  receivedBytes = 0;
  requests = 0;
  /** Besides these: bytes of attempts that failed by our or the upstream's fault. Nobody pays for them. */
  unchargedSentBytes = 0;
  unchargedReceivedBytes = 0;
  /** What the client's TLS leg had on the wire beyond what it carried; see docs/metering.md. */
  tlsBytes = 0;
  /** What holds its bytes back: taken from before they move. Whoever admits it sets it. */
  limits: FlowLimits = noFlowLimits;
  #end: ConnectionEnd | undefined;
  #live: (() => LiveCounters) | undefined;
  #onCut: ((reason: string) => void) | undefined;
  #isCut = false;
  #beforeEnd: (() => void) | undefined;
  readonly #onEnd: (flow: Flow) => void;

  constructor(record: ConnectionRecord, onEnd: (flow: Flow) => void) {
    this.#record = record;
    this.#onEnd = onEnd;
  }

  /** Another object once it leaves by another exit. */
  get record(): ConnectionRecord {
    return this.#record;
  }

  /** It leaves by another exit than was thought. */
  replaceRecord(record: ConnectionRecord): void {
    this.#record = record;
  }

  get end(): ConnectionEnd | undefined {
    return this.#end;
  }

  totals(): ConnectionTotals {
    const live = this.#live?.();
    return {
      sentBytes: this.sentBytes + (live?.sentBytes ?? 0),
      receivedBytes: this.receivedBytes + (live?.receivedBytes ?? 0),
      requests: this.requests + (live?.requests ?? 0),
      unchargedSentBytes: this.unchargedSentBytes,
      unchargedReceivedBytes: this.unchargedReceivedBytes,
      tlsBytes: this.tlsBytes,
    };
  }

  /** From now on these are counted besides its own. */
  countWith(live: () => LiveCounters): void {
    this.#live = live;
  }

  /** The other carrier has stopped: what it counted becomes the flow's own. */
  keep({ sentBytes, receivedBytes, requests = 0 }: LiveCounters): void {
    this.#live = undefined;
    this.sentBytes += sentBytes;
    this.receivedBytes += receivedBytes;
    this.requests += requests;
  }

  /** Says how to end it from outside. */
  onCut(cut: (reason: string) => void): void {
    this.#onCut = cut;
  }

  /** Calls the listener just before its end is set: the last moment in which something can be counted. */
  beforeEnd(listener: () => void): void {
    this.#beforeEnd = listener;
  }

  /** It has ended, or was told to and is about to. */
  get isEnding(): boolean {
    return this.#isCut || this.#end !== undefined;
  }

  /** Before anybody has said how, there is nothing to end but the flow itself: whoever opens it looks at `end`. */
  cut(reason = "quota_exhausted"): void {
    if (this.#end !== undefined) return;
    this.#isCut = true;
    if (this.#onCut) this.#onCut(reason);
    else this.finish(reason);
  }

  /** Sets the end, once: what is counted by now is final. */
  finish(outcome: string, failed = false): void {
    if (this.#end !== undefined) return;
    this.#beforeEnd?.();
    this.#end = { outcome, failed };
    this.#onEnd(this);
  }
}

/** The flows that are open now. */
export class OpenFlows {
  readonly #byId = new Map<string, Flow>();
  readonly #byCredential = new Map<string, Set<Flow>>();
  readonly #countByUser = new Map<string, number>();
  readonly #waitingForNone: (() => void)[] = [];
  readonly #onEnd: (flow: Flow) => void;

  /** @param onEnd told of each flow that has ended */
  constructor(onEnd: (flow: Flow) => void = () => {}) {
    this.#onEnd = onEnd;
  }

  open(record: ConnectionRecord): Flow {
    const flow = new Flow(record, (ended) => this.#remove(ended));
    const { id, credentialId, userId } = record;
    this.#byId.set(id, flow);
    const siblings = this.#byCredential.get(credentialId);
    if (siblings) siblings.add(flow);
    else this.#byCredential.set(credentialId, new Set([flow]));
    this.#countByUser.set(userId, this.count(userId) + 1);
    return flow;
  }

  #remove(flow: Flow): void {
    const { id, credentialId, userId } = flow.record;
    this.#byId.delete(id);
    const siblings = this.#byCredential.get(credentialId);
    siblings?.delete(flow);
    if (siblings?.size === 0) this.#byCredential.delete(credentialId);
    const left = this.count(userId) - 1;
    if (left > 0) this.#countByUser.set(userId, left);
    else this.#countByUser.delete(userId);
    this.#onEnd(flow);
    if (this.#byId.size === 0) for (const resolve of this.#waitingForNone.splice(0)) resolve();
  }

  /** Resolves when no flow is open any more. */
  async none(): Promise<void> {
    if (this.#byId.size > 0) await new Promise<void>((resolve) => this.#waitingForNone.push(resolve));
  }

  count(userId?: string): number {
    return userId === undefined ? this.#byId.size : (this.#countByUser.get(userId) ?? 0);
  }

  countOfCredential(credentialId: string): number {
    return this.#byCredential.get(credentialId)?.size ?? 0;
  }

  /** Those that have a flow open, and whose they are. */
  *credentials(): Iterable<{ id: string; userId: string }> {
    for (const [id, [first]] of this.#byCredential) if (first) yield { id, userId: first.record.userId };
  }

  find(id: string): Flow | undefined {
    return this.#byId.get(id);
  }

  ofCredential(credentialId: string): readonly Flow[] {
    return [...(this.#byCredential.get(credentialId) ?? [])];
  }

  all(): readonly Flow[] {
    return [...this.#byId.values()];
  }
}
