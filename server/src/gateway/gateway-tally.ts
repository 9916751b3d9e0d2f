import type { ProxyError, ProxyErrorCode } from "@atlantic/shared/errors.ts";
import type { ProxyProtocol } from "../db/schema.ts";
import { type ConnectionTotals, NO_TOTALS } from "../metering/usage-recorder.ts";
import type { Flow } from "./flow.ts";

/** How many connections of a protocol ended so. */
export interface EndedCount {
  readonly protocol: ProxyProtocol;
  /** A word of ours: what it was cut for, or a code of the error table. */
  readonly outcome: string;
  readonly connections: number;
}

/** What a process's flows have come to since it began, and what is open now. */
export interface FlowCounts {
  readonly open: Readonly<Record<ProxyProtocol, number>>;
  readonly ended: readonly EndedCount[];
  /** Of those that ended and those that are open: it only rises. */
  readonly totals: Readonly<Required<ConnectionTotals>>;
  /** How often clients were told which error. */
  readonly errors: ReadonlyMap<ProxyErrorCode, number>;
}

/** Counts where flows end and errors are told, and so nothing on the way of a byte. */
export class GatewayTally {
  readonly #ended = new Map<ProxyProtocol, Map<string, number>>();
  readonly #totals: MutableTotals = { ...NO_TOTALS };
  readonly #errors = new Map<ProxyErrorCode, number>();

  /** The flow has its end. */
  ended(flow: Flow): void {
    const { record, end } = flow;
    add(this.#totals, flow.totals());
    count(this.#outcomesOf(record.protocol), end?.outcome ?? "");
  }

  /** A client was told this, in whichever protocol. */
  told({ code }: ProxyError): void {
    count(this.#errors, code);
  }

  /** @param flows all that are open */
  read(flows: Iterable<Flow>): FlowCounts {
    const open: Record<ProxyProtocol, number> = { http: 0, connect: 0, socks5: 0 };
    const totals = { ...this.#totals };
    for (const flow of flows) {
      open[flow.record.protocol] += 1;
      add(totals, flow.totals());
    }
    return { open, ended: [...this.#endedCounts()], totals, errors: new Map(this.#errors) };
  }

  #outcomesOf(protocol: ProxyProtocol): Map<string, number> {
    const known = this.#ended.get(protocol);
    if (known) return known;
    const begun = new Map<string, number>();
    this.#ended.set(protocol, begun);
    return begun;
  }

  *#endedCounts(): Iterable<EndedCount> {
    for (const [protocol, outcomes] of this.#ended) {
      for (const [outcome, connections] of outcomes) yield { protocol, outcome, connections };
    }
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

type MutableTotals = { -readonly [Name in keyof ConnectionTotals]-?: number };

function add(sum: MutableTotals, more: ConnectionTotals): void {
  sum.sentBytes += more.sentBytes;
  sum.receivedBytes += more.receivedBytes;
  sum.requests += more.requests;
  sum.unchargedSentBytes += more.unchargedSentBytes ?? 0;
  sum.unchargedReceivedBytes += more.unchargedReceivedBytes ?? 0;
  sum.tlsBytes += more.tlsBytes ?? 0;
}
