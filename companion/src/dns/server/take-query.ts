import { type Query, readQuery } from "../wire/query.ts";
import { writeUnread } from "../wire/write-answer.ts";

/** Answers a packet as it came; undefined when nothing may be said. Rejects never. */
export type TakePacket = (
  packet: Buffer,
) => Promise<{ readonly query: Query; readonly answer: Buffer } | Buffer | undefined>;

export interface PacketCounts {
  queries: number;
  malformed: number;
  dropped: number;
}

/** Most queries that may wait for servers at once; more would only grow old in the queue. */
const MAX_WAITING = 2_000;

/** Reads packets, and lets through only as many as can be worked on. */
export class QueryGate {
  readonly counts: PacketCounts = { queries: 0, malformed: 0, dropped: 0 };
  readonly #answer: (query: Query) => Promise<Buffer>;
  #waiting = 0;

  constructor(answer: (query: Query) => Promise<Buffer>) {
    this.#answer = answer;
  }

  readonly take: TakePacket = async (packet) => {
    const arrival = readQuery(packet);
    if (arrival.kind !== "query") {
      this.counts.malformed++;
      return arrival.kind === "noise" ? undefined : writeUnread(arrival.id, arrival.opcode);
    }
    this.counts.queries++;
    if (this.#waiting >= MAX_WAITING) {
      this.counts.dropped++;
      return undefined;
    }
    this.#waiting++;
    try {
      const { query } = arrival;
      return { query, answer: await this.#answer(query) };
    } finally {
      this.#waiting--;
    }
  };
}
