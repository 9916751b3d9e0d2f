import type { DomainSet } from "@atlantic/shared/blocking/domain-set.ts";
import type { CachedAnswer } from "../cache/answer-cache.ts";
import type { BlockedAnswer } from "../resolver.ts";
import type { Query } from "../wire/query.ts";

/** What answers UDP packets before, or instead of, JavaScript. */
export interface UdpDoors {
  /**
   * Answers on an address from now on.
   * @throws Error when it cannot be bound
   */
  listen(host: string, port: number): Promise<void>;
  /** Names are blocked by this set from now on. */
  use(set: DomainSet): void;
  answerBlocked(how: BlockedAnswer): void;
  /** This answer may be repeated to everybody until its time is over. */
  remember(query: Query, entry: CachedAnswer): void;
  forget(): void;
  counts(): {
    readonly queries: number;
    readonly blocked: number;
    readonly cached: number;
    readonly dropped: number;
  };
  close(): void;
}
