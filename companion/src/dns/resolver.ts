import type { Socket } from "node:dgram";
import type { NameReason } from "@atlantic/shared/blocking/name-reason.ts";
import type { DialTarget } from "../upstream/dialing-agent.ts";
import { Answerer } from "./answerer.ts";
import { AnswerCache } from "./cache/answer-cache.ts";
import { DohRace } from "./doh/doh-race.ts";
import { DEFAULT_SERVERS } from "./doh/servers.ts";
import { FakeAddresses } from "./fake-addresses.ts";
import type { NameFilter } from "./filter/name-filter.ts";
import { QueryGate } from "./server/take-query.ts";
import { serveTcp, type TcpDoor } from "./server/tcp-server.ts";
import { serveUdp } from "./server/udp-server.ts";

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
  /** How a blocked name is answered now; NXDOMAIN when left out. */
  readonly blockedAnswer?: () => BlockedAnswer;
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
  const { filter, dial, servers = DEFAULT_SERVERS, authorities } = options;
  const race = new DohRace({ servers, dial, authorities });
  const cache = new AnswerCache({ now: () => performance.now() });
  const fakes = new FakeAddresses();
  const answerer = new Answerer({
    filter,
    race,
    cache,
    fakes,
    fakeAddresses: options.fakeAddresses,
    blockedAnswer: options.blockedAnswer ?? (() => "nxdomain"),
  });
  const gate = new QueryGate((query) => answerer.answer(query));
  const doors: Door[] = [];
  try {
    for (const { host, port } of options.listen) doors.push(await openDoor(host, port, gate));
  } catch (error) {
    await closeAll(doors);
    throw error;
  }
  return {
    addresses: doors.map(({ host, port }) => ({ host, port })),
    nameOf: (fake) => fakes.nameOf(fake),
    why: (name) => filter.why(name),
    counters: () => ({ ...gate.counts, ...answerer.counts, blockedBy: filter.blockedBy() }),
    forget: () => cache.clear(),
    async close() {
      race.close();
      await closeAll(doors);
    },
  };
}

interface Door {
  readonly host: string;
  readonly port: number;
  readonly udp: Socket;
  readonly tcp: TcpDoor;
}

/** UDP and TCP on the same port. */
async function openDoor(host: string, wanted: number, gate: QueryGate): Promise<Door> {
  const tcp = await serveTcp(host, wanted, gate.take);
  const { port } = tcp;
  try {
    return { host, port, tcp, udp: await serveUdp(host, port, gate.take) };
  } catch (error) {
    tcp.close();
    throw error;
  }
}

async function closeAll(doors: readonly Door[]): Promise<void> {
  for (const { udp, tcp } of doors) {
    udp.close();
    tcp.close();
  }
}
