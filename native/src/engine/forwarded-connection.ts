import type { Socket } from "node:net";
import { type CarriedConnection, NOBODY } from "./carried-connection.ts";
import { EventReader } from "./event-reader.ts";
import { events, verbs } from "./protocol.ts";

/** The requests that may be forwarded: those that are like the first. Times in milliseconds. */
export interface ForwardOrder {
  readonly client: Socket;
  readonly upstream: Socket;
  /** The target's, as it stands in the request line and goes into Host. */
  readonly authority: Buffer;
  /** The value of `Proxy-Authorization`; missing when the requests have none. */
  readonly authorization?: Buffer;
  /** Handles of a native allowance and rate; 0: none. */
  readonly allowance: number;
  readonly rate: number;
  readonly idleMs: number;
  readonly keepAliveMs: number;
  /** How long a request's body may take before it is given back. */
  readonly bodyMs: number;
  /** How long requests may begin. Missing: for ever. */
  readonly livesMs?: number;
}

export interface ForwardTotals {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly requests: number;
}

/** What JavaScript goes on with: descriptors that are its own now, and what was read of them. */
export interface ForwardBack {
  readonly totals: ForwardTotals;
  readonly client: number;
  /** Undefined when the target has closed its connection. */
  readonly upstream: number | undefined;
  /** From the client, not yet understood. */
  readonly fromClient: Buffer;
  /** The request that is under way; undefined between two. */
  readonly exchange: HalfDoneExchange | undefined;
}

export interface HalfDoneExchange {
  /** The request's header section as the client sent it. */
  readonly head: Buffer;
  /** What the client has still to send of the body, in bytes. */
  readonly bodyLeft: number;
  /** Rewritten for the target, and not yet sent. */
  readonly unsent: Buffer;
  /** Sent, and not among the totals: nothing was heard of it so far. */
  readonly pendingBytes: number;
  readonly heard: boolean;
  /** From the target: a header section that is not whole, or not plain. */
  readonly fromUpstream: Buffer;
  /** The target was silent for too long. */
  readonly timedOut: boolean;
}

/** How it ended, by its number. */
const ends = [
  "ended",
  "client_reset",
  "response_incomplete",
  "bad_response",
  "cut",
  "quota_exhausted",
] as const;

export type ForwardEnd = (typeof ends)[number];

export interface ForwardListener {
  /** Something unusual has come, or it was recalled. */
  onBack(back: ForwardBack): void;
  /** @param upstream the descriptor of the target's connection, where it can serve another client */
  onEnded(end: ForwardEnd, totals: ForwardTotals, upstream: number | undefined): void;
}

/** A client whose plain exchanges with one target the engine forwards. */
export class ForwardedConnection {
  readonly #place: CarriedConnection;
  readonly #requests: () => number;
  readonly #listener: ForwardListener;
  #totals: ForwardTotals = { sentBytes: 0, receivedBytes: 0, requests: 0 };
  #over = false;

  /** @param forget called once, when the engine has it no longer */
  constructor(
    place: CarriedConnection,
    requests: () => number,
    listener: ForwardListener,
    forget: () => void,
  ) {
    this.#place = place;
    this.#requests = requests;
    this.#listener = listener;
    place.listen({
      ...NOBODY,
      onOther: (kind, body) => {
        forget();
        if (kind === events.forwardBack) this.#back(new EventReader(body));
        else this.#ended(new EventReader(body));
      },
    });
  }

  /** As of now; exact once it is over. */
  totals(): ForwardTotals {
    if (!this.#over) this.#totals = { ...this.#place.totals(), requests: this.#requests() };
    return this.#totals;
  }

  /** Asks for it back as soon as no exchange is under way. */
  recall(): void {
    if (!this.#over) this.#place.order(verbs.forwardRecall);
  }

  /** Ends it with RST, whatever it is doing. */
  cut(): void {
    if (!this.#over) this.#place.cut();
  }

  #back(reader: EventReader): void {
    const client = reader.number();
    const upstream = reader.descriptor();
    const totals = this.#end(reader);
    const timedOut = reader.number() === 1;
    const heard = reader.number() === 1;
    const pendingBytes = reader.large();
    const bodyLeft = reader.large();
    const head = reader.bytes();
    const unsent = reader.bytes();
    const fromClient = reader.bytes();
    const fromUpstream = reader.bytes();
    const exchange = { head, bodyLeft, unsent, pendingBytes, heard, fromUpstream, timedOut };
    this.#listener.onBack({
      totals,
      client,
      upstream,
      fromClient,
      exchange: head.length === 0 ? undefined : exchange,
    });
  }

  #ended(reader: EventReader): void {
    const upstream = reader.descriptor();
    const totals = this.#end(reader);
    this.#listener.onEnded(ends[reader.number()] ?? "ended", totals, upstream);
  }

  #end(reader: EventReader): ForwardTotals {
    this.#totals = {
      sentBytes: reader.large(),
      receivedBytes: reader.large(),
      requests: reader.large(),
    };
    this.#over = true;
    return this.#totals;
  }
}
