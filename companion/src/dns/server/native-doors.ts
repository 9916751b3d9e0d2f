import { type NativeDns, nativeDns, type WaitingPacket } from "@atlantic/native";
import type { DomainSet } from "@atlantic/shared/blocking/domain-set.ts";
import type { CachedAnswer } from "../cache/answer-cache.ts";
import type { NameFilter } from "../filter/name-filter.ts";
import type { BlockedAnswer } from "../resolver.ts";
import { FLAG } from "../wire/codes.ts";
import { type Query, readQuery } from "../wire/query.ts";
import { fitUdp } from "../wire/write-answer.ts";
import type { TakePacket } from "./take-query.ts";
import type { UdpDoors } from "./udp-door.ts";

const NUMBERS: Readonly<Record<BlockedAnswer, number>> = { nxdomain: 0, zero: 1, refused: 2 };

export interface NativeDoorsOptions {
  readonly filter: NameFilter;
  readonly take: TakePacket;
  /** Asks for an answer that will soon be over. */
  readonly refresh: (query: Query) => void;
}

/** UDP on threads of the addon, which answer blocked and cached names themselves; null where it is not there. */
export function nativeDoors(options: NativeDoorsOptions): UdpDoors | null {
  let doors: NativeDoors | null = null;
  const native = nativeDns(() => doors?.drain());
  if (native === null) return null;
  doors = new NativeDoors(native, options);
  return doors;
}

class NativeDoors implements UdpDoors {
  readonly #native: NativeDns;
  readonly #options: NativeDoorsOptions;
  /** Of the set in use, the ids of its lists by their place. */
  #ids: readonly (string | undefined)[] = [];
  #closed = false;

  constructor(native: NativeDns, options: NativeDoorsOptions) {
    this.#native = native;
    this.#options = options;
  }

  async listen(host: string, port: number): Promise<void> {
    try {
      this.#native.listen(host, port);
    } catch (cause) {
      const number = cause instanceof Error ? cause.message : "";
      throw new Error(`UDP port ${port} of ${host} cannot be bound (error ${number} of the system).`, {
        cause,
      });
    }
  }

  use(set: DomainSet): void {
    this.#count(this.#native.setTable(set.table));
    this.#ids = this.#options.filter.lists().map(({ source }) => source.id);
  }

  answerBlocked(how: BlockedAnswer): void {
    this.#native.answerBlocked(NUMBERS[how]);
  }

  remember({ name, type, flags, edns }: Query, { answer, ttl, at }: CachedAnswer): void {
    const age = Math.floor((performance.now() - at) / 1_000);
    if (age >= ttl) return;
    this.#native.remember({
      name,
      kind: type,
      dnssec: edns?.dnssec === true,
      checkingDisabled: (flags & FLAG.unchecked) !== 0,
      message: answer.message,
      rcode: answer.rcode,
      authentic: answer.authentic,
      times: answer.records.flatMap((record) => [record.ttlAt, Math.max(0, record.ttl - age)]),
      ttlSeconds: ttl - age,
    });
  }

  forget(): void {
    this.#native.forget();
  }

  counts(): ReturnType<UdpDoors["counts"]> {
    if (!this.#closed) this.#count(this.#native.takeBlocked());
    return this.#native.counts();
  }

  close(): void {
    if (this.#closed) return;
    this.#count(this.#native.takeBlocked());
    this.#closed = true;
    this.#native.stop();
  }

  /** Takes what waits, a part at a time, so that others get their turn. */
  drain(): void {
    if (this.#closed) return;
    const waiting = this.#native.take();
    for (const packet of waiting) void this.#serve(packet);
    if (waiting.length > 0) setImmediate(() => this.drain());
  }

  async #serve({ door, refresh, from, packet }: WaitingPacket): Promise<void> {
    if (refresh) {
      const arrival = readQuery(packet);
      if (arrival.kind === "query") this.#options.refresh(arrival.query);
      return;
    }
    const taken = await this.#options.take(packet);
    if (taken === undefined || this.#closed) return;
    this.#native.send(door, from, Buffer.isBuffer(taken) ? taken : fitUdp(taken.query, taken.answer));
  }

  #count(blocked: readonly number[]): void {
    for (const [place, count] of blocked.entries()) {
      const id = this.#ids[place];
      if (id !== undefined && count > 0) this.#options.filter.countBy(id, count);
    }
  }
}
