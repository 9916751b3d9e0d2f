import { randomBytes } from "node:crypto";
import type { UsageEvent } from "../usage-event.ts";
import type { ConnectionRecord } from "../usage-recorder.ts";

/** An id as the gateway gives it: a UUID of version 7, so that later ones are larger. */
export function timeOrderedId(at = Date.now()): string {
  const time = at.toString(16).padStart(12, "0");
  const random = randomBytes(10).toString("hex");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${random.slice(6, 18)}`;
}

/** Connections as a gateway has them, of these credentials in turn. */
export function someConnections(
  count: number,
  accounts: readonly { readonly userId: string; readonly username: string }[],
  openedAt: number,
): ConnectionRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const account = accounts[index % accounts.length];
    if (account === undefined) throw new RangeError("There is no account.");
    return {
      id: timeOrderedId(openedAt),
      userId: account.userId,
      credentialId: account.username,
      client: `192.0.2.${index % 250}`,
      protocol: index % 3 === 0 ? "socks5" : "connect",
      targetHost: `host-${index % 1_000}.example.com`,
      targetPort: 443,
      exitCountry: ["de", "us", "jp"][index % 3] ?? null,
      exitCity: "berlin",
      exitLabel: "Berlin, Germany",
      exitAddress: `127.1.2.${index % 200}`,
      upstream: "local",
      openedAt,
    };
  });
}

/** A short tunnel's one event: it began and ended since the last write. */
export function onlyEvent(connection: ConnectionRecord, at: number): UsageEvent {
  return {
    connection,
    connectionStored: false,
    seq: 1,
    totals: { sentBytes: 700, receivedBytes: 5_000, requests: 1 },
    at,
    end: { outcome: "ended", failed: false },
  };
}

/** One of the events of a connection that stays open. */
export function nextEvent(connection: ConnectionRecord, seq: number, at: number): UsageEvent {
  return {
    connection,
    connectionStored: seq > 1,
    seq,
    totals: { sentBytes: 700 * seq, receivedBytes: 5_000 * seq, requests: 1 },
    at,
  };
}
