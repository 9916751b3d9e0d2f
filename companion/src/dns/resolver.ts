import type { NameReason } from "@atlantic/shared/blocking/name-reason.ts";
import type { DialTarget } from "../upstream/dialing-agent.ts";
import { Answerer } from "./answerer.ts";
import { AnswerCache } from "./cache/answer-cache.ts";
import { DohRace } from "./doh/doh-race.ts";
import { DEFAULT_SERVERS } from "./doh/servers.ts";
import { FakeAddresses } from "./fake-addresses.ts";
import type { NameFilter } from "./filter/name-filter.ts";
import { nativeDoors } from "./server/native-doors.ts";
import { plainDoors } from "./server/plain-doors.ts";
import { QueryGate } from "./server/take-query.ts";
import { serveTcp, type TcpDoor } from "./server/tcp-server.ts";
import type { UdpDoors } from "./server/udp-door.ts";

/** A server of DNS over HTTPS (RFC 8484). Its name is resolved by whoever dials, never here. */
export interface DohServer {
  readonly name: string;
  /** `https://host[:port]/path`. */
  readonly url: string;
}

/** How a name that is blocked is answered. */
export type BlockedAnswer = "nxdomain" | "zero" | "refused";

export interface DnsCounters {
  readonly queries: number;
  readonly blocked: number;
  readonly cached: number;
  /** Asked of the servers. */
  readonly asked: number;
  /** Answered SERVFAIL because no server answered. */
  readonly failed: number;
  /** Answered from a cache that had run out, because no server answered. */
  readonly stale: number;
  /** Packets that were no queries. */
  readonly malformed: number;
  /** Queries that were dropped because too many waited. */
  readonly dropped: number;
  /** Blocked by each list, by its id. */
  readonly blockedBy: Readonly<Record<string, number>>;
}

export interface ResolverOptions {
  /** Addresses to answer on, UDP and TCP. Port 0: any. */
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  /** Opens the connection to a server: through the tunnel's upstream, and never beside it. */
  readonly dial: DialTarget;
  /** Says which names are blocked; shared with the local proxy. */
  readonly filter: NameFilter;
  /** Asked in a race; the three of `DEFAULT_SERVERS` when left out. */
  readonly servers?: readonly DohServer[];
  /** Certificates of authorities to trust instead of the runtime's; PEM. */
  readonly authorities?: readonly string[];
  /** How a blocked name is answered, asked with each new set of names; NXDOMAIN when left out. */
  readonly blockedAnswer?: () => BlockedAnswer;
  /** Answer in JavaScript alone, as where the addon is not there. */
  readonly withoutNative?: boolean;
  /**
   * Whether A and AAAA get addresses of our own that `nameOf` turns back into the name, so that the upstream resolves it.
   * "at once": without asking anyone. "checked": when the servers know the name and no alias of it is blocked.
   */
  readonly fakeAddresses: false | "at once" | "checked";
}

/** Answers the machine's DNS queries. */
export interface Resolver {
  /** Where it listens, with the ports that it got. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** The name that a fake address stands for; undefined when it is none, or forgotten. */
  nameOf(fake: string): string | undefined;
  /** Why a name is answered as it is, by what is known now: nobody is asked. */
  why(name: string): NameReason;
  counters(): DnsCounters;
  /** Forgets all answers: the upstream, and so the place that is asked from, has changed. */
  forget(): void;
  close(): Promise<void>;
}

/**
 * Starts to answer.
 * @throws Error when an address cannot be bound: then none is
 */
export async function startResolver(options: ResolverOptions): Promise<Resolver> {
  const { filter, dial, servers = DEFAULT_SERVERS, authorities, blockedAnswer = () => "nxdomain" } = options;
  const race = new DohRace({ servers, dial, authorities });
  const cache = new AnswerCache({ now: () => performance.now() });
  const fakes = new FakeAddresses();
  const answerer: Answerer = new Answerer({
    filter,
    race,
    cache,
    fakes,
    fakeAddresses: options.fakeAddresses,
    blockedAnswer,
    repeatable: (query, entry) => udp.remember(query, entry),
  });
  const gate = new QueryGate((query) => answerer.answer(query));
  const native = options.withoutNative
    ? null
    : nativeDoors({ filter, take: gate.take, refresh: (query) => answerer.refresh(query) });
  const udp = native ?? plainDoors(gate.take);
  const noSet = filter.onSet((set) => {
    udp.answerBlocked(blockedAnswer());
    udp.use(set);
  });
  const tcp: TcpDoor[] = [];
  const addresses: Resolver["addresses"][number][] = [];
  const close = (): void => {
    noSet();
    race.close();
    udp.close();
    for (const door of tcp) door.close();
  };
  try {
    for (const { host, port: wanted } of options.listen) {
      // TCP first: it may choose the port, and UDP takes the same.
      const door = await serveTcp(host, wanted, gate.take);
      tcp.push(door);
      await udp.listen(host, door.port);
      addresses.push({ host, port: door.port });
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    addresses,
    nameOf: (fake) => fakes.nameOf(fake),
    why: (name) => filter.why(name),
    counters: () => sumOf(gate.counts, answerer.counts, udp.counts(), filter),
    forget() {
      cache.clear();
      udp.forget();
    },
    async close() {
      close();
    },
  };
}

/** What the fast path passed on is counted by those who took it. */
function sumOf(
  gate: QueryGate["counts"],
  answerer: Answerer["counts"],
  fast: ReturnType<UdpDoors["counts"]>,
  filter: NameFilter,
): DnsCounters {
  return {
    ...answerer,
    malformed: gate.malformed,
    queries: gate.queries + fast.blocked + fast.cached,
    blocked: answerer.blocked + fast.blocked,
    cached: answerer.cached + fast.cached,
    dropped: gate.dropped + fast.dropped,
    blockedBy: filter.blockedBy(),
  };
}
