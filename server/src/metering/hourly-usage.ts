import type { CountedTotals } from "./connection-state.ts";
import type { UsageEvent } from "./usage-event.ts";
import type { ConnectionRecord } from "./usage-recorder.ts";

/** What the events of a batch add to one row of `proxy_usage`. */
export interface HourlyUsage extends CountedTotals {
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
  /** Few of a credential are in a batch: they are looked through, which costs less than making a key of each event. */
  readonly #byCredential = new Map<string, HourlyUsage[]>();

  add(userId: string, { connection, at }: UsageEvent, added: CountedTotals, failed: boolean): void {
    const usage = this.#of(userId, connection, at - (at % HOUR_MS));
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
    const all = [...this.#byCredential.values()].flat();
    return all
      .map((usage) => ({ usage, key: keyOf(usage) }))
      .sort(byKey)
      .map(({ usage }) => usage);
  }

  #of(userId: string, { credentialId, exitCountry, protocol }: ConnectionRecord, hour: number): HourlyUsage {
    const country = exitCountry ?? "";
    let siblings = this.#byCredential.get(credentialId);
    if (siblings === undefined) {
      siblings = [];
      this.#byCredential.set(credentialId, siblings);
    }
    for (const usage of siblings) {
      if (usage.hour === hour && usage.country === country && usage.protocol === protocol) return usage;
    }
    const begun: HourlyUsage = {
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
    siblings.push(begun);
    return begun;
  }
}

function keyOf({ userId, hour, credentialId, country, protocol }: HourlyUsage): string {
  return `${userId} ${hour} ${credentialId} ${country} ${protocol}`;
}

function byKey(a: { key: string }, b: { key: string }): number {
  return a.key < b.key ? -1 : 1;
}
