import type { NameReason } from "@atlantic/shared/blocking/name-reason.ts";
import type { DialTarget } from "../upstream/dialing-agent.ts";

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
  readonly servers?: readonly DohServer[];
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
