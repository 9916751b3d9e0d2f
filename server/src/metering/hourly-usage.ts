import type { CountedTotals } from "./connection-state.ts";
import type { UsageEvent } from "./usage-event.ts";

/** What the events of a batch add to one row of `proxy_usage`. */
export interface HourlyUsage extends CountedTotals {
  readonly key: string;
  readonly userId: string;
  readonly credentialId: string;
  /** Milliseconds since 1970. */
  readonly hour: number;
  readonly country: string;
  readonly protocol: string;
  failed: number;
}

const HOUR_MS = 3_600_000;

/** Sums by account, hour, credential, country of exit and protocol. */
export class HourlySums {
  readonly #byKey = new Map<string, HourlyUsage>();

  add(userId: string, { connection, at }: UsageEvent, added: CountedTotals, failed: boolean): void {
    const usage = this.#of(userId, connection.credentialId, at - (at % HOUR_MS), connection);
    usage.sent += added.sent;
    usage.received += added.received;
    usage.requests += added.requests;
    usage.unchargedSent += added.unchargedSent;
    usage.unchargedReceived += added.unchargedReceived;
    usage.tls += added.tls;
    if (failed) usage.failed += 1;
  }

  /** In one order everywhere, so that no two folds wait for each other. */
  sorted(): HourlyUsage[] {
    return [...this.#byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #of(
    userId: string,
    credentialId: string,
    hour: number,
    { exitCountry, protocol }: { exitCountry: string | null; protocol: string },
  ): HourlyUsage {
    const country = exitCountry ?? "";
    const key = `${userId} ${hour} ${credentialId} ${country} ${protocol}`;
    const found = this.#byKey.get(key);
    if (found) return found;
    const begun: HourlyUsage = {
      key,
      userId,
      credentialId,
      hour,
      country,
      protocol,
      sent: 0,
      received: 0,
      requests: 0,
      unchargedSent: 0,
      unchargedReceived: 0,
      tls: 0,
      failed: 0,
    };
    this.#byKey.set(key, begun);
    return begun;
  }
}
