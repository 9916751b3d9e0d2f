import { RANK } from "@atlantic/shared/blocking/list-rule.ts";
import type { AnswerCache, CachedAnswer } from "./cache/answer-cache.ts";
import type { DohRace } from "./doh/doh-race.ts";
import type { FakeAddresses } from "./fake-addresses.ts";
import type { NameDecision, NameFilter } from "./filter/name-filter.ts";
import { isLocalName } from "./local-names.ts";
import { ownRecord, ownSoa } from "./own-records.ts";
import type { BlockedAnswer, ResolverOptions } from "./resolver.ts";
import { withoutHints } from "./service-hints.ts";
import { type Answer, targetsOf } from "./wire/answer.ts";
import { CLASS_IN, EXTENDED_ERROR, FLAG, RCODE, TYPE } from "./wire/codes.ts";
import { writeName } from "./wire/name.ts";
import type { Query } from "./wire/query.ts";
import { writeAnswer, writeEmpty, writeKnown } from "./wire/write-answer.ts";
import type { WantedRecord } from "./wire/write-query.ts";

export interface AnswererOptions {
  readonly filter: NameFilter;
  readonly race: DohRace;
  readonly cache: AnswerCache;
  readonly fakes: FakeAddresses;
  readonly fakeAddresses: ResolverOptions["fakeAddresses"];
  readonly blockedAnswer: () => BlockedAnswer;
  /** Called with an answer that holds for every client, so that others can repeat it. */
  readonly repeatable?: (query: Query, entry: CachedAnswer) => void;
}

/** Seconds for which a blocked answer and a fake address may be remembered. */
const BLOCKED_TTL = 60;
const FAKE_TTL = 60;
const LOCAL_TTL = 3_600;
/** How long clients wait before what has run out is better than nothing, and what its time is then (RFC 8767, 5 and 6). */
const STALE_AFTER_MS = 1_800;
const STALE_TTL = 30;
const LOOPBACK_4 = Buffer.of(127, 0, 0, 1);
const LOOPBACK_6 = Buffer.from([...Array<number>(15).fill(0), 1]);

type Counted = "blocked" | "cached" | "asked" | "failed" | "stale";

/** Decides what each query is answered with. */
export class Answerer {
  readonly #options: AnswererOptions;
  readonly #asking = new Map<string, Promise<Answer>>();
  readonly counts: Record<Counted, number> = { blocked: 0, cached: 0, asked: 0, failed: 0, stale: 0 };

  constructor(options: AnswererOptions) {
    this.#options = options;
  }

  /** Never rejects: what goes wrong is an answer as well. */
  async answer(query: Query): Promise<Buffer> {
    const own = this.#refused(query) ?? this.#local(query);
    if (own) return own;
    const { beginning } = this.#options.filter;
    if (beginning) await beginning;
    return this.#blocked(query) ?? this.#fake(query) ?? this.#known(query);
  }

  /** Asks again for an answer that will soon be over. */
  refresh(query: Query): void {
    this.#ask(keyOf(query), query).then(
      () => this.#repeatFresh(query),
      () => {},
    );
  }

  #refused(query: Query): Buffer | undefined {
    if (query.opcode !== 0) return writeEmpty(query, RCODE.notImp);
    if (query.edns !== null && query.edns.version !== 0) return writeEmpty(query, RCODE.badVers);
    const isTransfer = query.type === TYPE.AXFR || query.type === TYPE.IXFR;
    const isMeta = query.type === TYPE.ANY || query.type === TYPE.OPT || isTransfer;
    return query.class !== CLASS_IN || isMeta ? writeEmpty(query, RCODE.refused) : undefined;
  }

  #local(query: Query): Buffer | undefined {
    const { name, type } = query;
    const pointed = type === TYPE.PTR ? this.#pointerOf(name) : undefined;
    if (pointed) return writeAnswer(query, RCODE.noError, { answers: [pointed], authorities: [] });
    if (name === "localhost" || name.endsWith(".localhost")) return localhost(query);
    if (!isLocalName(name)) return undefined;
    return writeAnswer(query, RCODE.nxDomain, { answers: [], authorities: [ownSoa(LOCAL_TTL)] });
  }

  /** The name behind a fake address, for those who ask it backwards. */
  #pointerOf(name: string): Buffer | undefined {
    const parts = name.endsWith(".in-addr.arpa") ? name.split(".").slice(0, -2).reverse() : [];
    const pointed = parts.length === 4 ? this.#options.fakes.nameOf(parts.join(".")) : undefined;
    const data = pointed === undefined ? undefined : writeName(pointed);
    return data && ownRecord(TYPE.PTR, FAKE_TTL, data);
  }

  #blocked(query: Query): Buffer | undefined {
    const decision = this.#options.filter.decide(query.name, query.type);
    return decision.verdict === "blocked" ? this.#block(query, decision) : undefined;
  }

  #block(query: Query, decision: NameDecision): Buffer {
    this.counts.blocked++;
    this.#options.filter.count(query.name, decision);
    return writeBlocked(query, decision, this.#options.blockedAnswer());
  }

  #fake(query: Query): Buffer | undefined {
    if (this.#options.fakeAddresses !== "at once" || !isAddressType(query.type)) return undefined;
    return this.#withFake(query);
  }

  #withFake(query: Query): Buffer {
    const data = this.#options.fakes.bytesFor(query.name, query.type === TYPE.A ? 4 : 6);
    return writeAnswer(query, RCODE.noError, {
      answers: [ownRecord(query.type, FAKE_TTL, data)],
      authorities: [],
    });
  }

  async #known(query: Query): Promise<Buffer> {
    const key = keyOf(query);
    const found = this.#options.cache.find(key);
    if (found?.kind === "fresh") {
      this.counts.cached++;
      if (found.ageing) this.refresh(query);
      this.#repeat(query, found.entry);
      return this.#shown(query, found.entry.answer, (answer) =>
        writeKnown(query, answer, { age: found.age }),
      );
    }
    const asked = this.#ask(key, query);
    if (found === undefined)
      return asked.then(
        (answer) => this.#fresh(query, answer),
        () => this.#failed(query),
      );
    const answer = await inTime(asked, STALE_AFTER_MS);
    if (answer && answer.rcode !== RCODE.servFail) return this.#fresh(query, answer);
    this.counts.stale++;
    const remark = { extendedError: EXTENDED_ERROR.stale };
    return this.#shown(query, found.entry.answer, (old) =>
      writeKnown(query, old, { ttl: STALE_TTL }, remark),
    );
  }

  #fresh(query: Query, answer: Answer): Buffer {
    this.#repeatFresh(query);
    return this.#shown(query, answer, (known) => writeKnown(query, known, { age: 0 }));
  }

  #repeatFresh(query: Query): void {
    const found = this.#options.cache.find(keyOf(query));
    if (found?.kind === "fresh") this.#repeat(query, found.entry);
  }

  /** Other paths may repeat an answer only when nothing about it depends on who asks, or on what is decided later. */
  #repeat(query: Query, entry: CachedAnswer): void {
    const { repeatable, fakeAddresses } = this.#options;
    if (repeatable === undefined || fakeAddresses !== false) return;
    if (this.#aliasDecision(query, entry.answer).decision === null) repeatable(query, entry);
  }

  #failed(query: Query): Buffer {
    this.counts.failed++;
    const { fakeAddresses } = this.#options;
    // The upstream may still find the name. Only the check of its aliases is missing, and nothing goes beside the tunnel.
    if (fakeAddresses === "checked" && isAddressType(query.type)) return this.#withFake(query);
    return writeEmpty(query, RCODE.servFail, { extendedError: EXTENDED_ERROR.noReachableAuthority });
  }

  /** Blocks what leads to a blocked name; puts fake addresses where they are wanted. */
  #shown(query: Query, answer: Answer, write: (answer: Answer) => Buffer): Buffer {
    const { decision, through } = this.#aliasDecision(query, answer);
    if (decision) {
      this.#options.filter.leadsTo(query.name, through);
      return this.#block(query, decision);
    }
    if (this.#options.fakeAddresses === false) return write(answer);
    const hasAddress = answer.records.some(
      ({ section, type }) => section === "answer" && type === query.type,
    );
    if (isAddressType(query.type) && hasAddress) return this.#withFake(query);
    return write(withoutHints(answer));
  }

  /** A name that the person or a list allows may lead where it will. */
  #aliasDecision(
    query: Query,
    answer: Answer,
  ): { decision: NameDecision | null; through: readonly string[] } {
    const { filter } = this.#options;
    const through: string[] = [];
    const targets = targetsOf(answer);
    if (targets.length === 0 || filter.decide(query.name, query.type).verdict === "allowed")
      return { decision: null, through };
    for (const target of targets) {
      through.push(target);
      const decision = filter.decide(target, query.type);
      if (decision.verdict === "blocked") return { decision, through };
    }
    return { decision: null, through };
  }

  /** One question is asked once, however many wait for its answer. */
  #ask(key: string, query: Query): Promise<Answer> {
    const running = this.#asking.get(key);
    if (running) return running;
    this.counts.asked++;
    const { race, cache } = this.#options;
    const asked = race
      .ask(wantedBy(query))
      .then((answer) => {
        cache.put(key, answer);
        return answer;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }
}

function wantedBy({ name, type, flags, edns }: Query): WantedRecord {
  return { name, type, dnssec: edns?.dnssec === true, unchecked: (flags & FLAG.unchecked) !== 0 };
}

function keyOf(query: Query): string {
  const { name, type, dnssec, unchecked } = wantedBy(query);
  return `${type}${dnssec ? "d" : ""}${unchecked ? "c" : ""} ${name}`;
}

function isAddressType(type: number): boolean {
  return type === TYPE.A || type === TYPE.AAAA;
}

function localhost(query: Query): Buffer {
  const authorities = [ownSoa(LOCAL_TTL)];
  if (query.type === TYPE.A) {
    return writeAnswer(query, RCODE.noError, {
      answers: [ownRecord(TYPE.A, LOCAL_TTL, LOOPBACK_4)],
      authorities: [],
    });
  }
  if (query.type === TYPE.AAAA) {
    return writeAnswer(query, RCODE.noError, {
      answers: [ownRecord(TYPE.AAAA, LOCAL_TTL, LOOPBACK_6)],
      authorities: [],
    });
  }
  return writeAnswer(query, RCODE.noError, { answers: [], authorities });
}

/** The answer for a blocked name. */
export function writeBlocked(query: Query, { match }: NameDecision, how: BlockedAnswer): Buffer {
  const isPolicy = match?.rank === RANK.policyBlock;
  const remark = { extendedError: isPolicy ? EXTENDED_ERROR.censored : EXTENDED_ERROR.blocked };
  if (how === "refused") return writeEmpty(query, RCODE.refused, remark);
  const nothing = { answers: [], authorities: [ownSoa(BLOCKED_TTL)] };
  if (how === "nxdomain") return writeAnswer(query, RCODE.nxDomain, nothing, remark);
  if (!isAddressType(query.type)) return writeAnswer(query, RCODE.noError, nothing, remark);
  const zero = ownRecord(query.type, BLOCKED_TTL, Buffer.alloc(query.type === TYPE.A ? 4 : 16));
  return writeAnswer(query, RCODE.noError, { answers: [zero], authorities: [] }, remark);
}

/** The answer, or undefined when it failed or has not come in time. */
async function inTime(asked: Promise<Answer>, ms: number): Promise<Answer | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    return await Promise.race([asked, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
