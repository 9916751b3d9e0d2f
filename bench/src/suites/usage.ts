import { openTemporaryDatabase } from "@atlantic/server/src/db/testing/temporary-database.ts";
import { createAccount, type TestAccount } from "@atlantic/server/src/gateway/testing/gateway-fixture.ts";
import { foldUsage } from "@atlantic/server/src/metering/fold-usage.ts";
import { nextEvent, onlyEvent, someConnections } from "@atlantic/server/src/metering/testing/usage-load.ts";
import type { UsageEvent } from "@atlantic/server/src/metering/usage-event.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite } from "../suite.ts";

const GATEWAY = "7d3c0a3e-0000-4000-8000-000000000001";
const ACCOUNTS = 20;
/** As many connections in a fold as a busy gateway writes at a time. */
const BATCH = 2_000;
const BATCHES = 10;

const databases = [
  { kind: "postgres", bar: 30_000 },
  { kind: "pglite", bar: 15_000 },
] as const;

interface Measurement {
  /** Events folded in a second. */
  readonly rate: number;
  /** CPU of this process for an event; on Postgres the database's own is another process's. */
  readonly cpuMicros: number;
}

/** Folds of usage as the gateway makes them, receipts, hours and balances included, on both databases. */
export const usage: Suite = {
  name: "usage",
  about: "usage events folded per second, on Postgres and on PGlite",
  async run(context) {
    const rows: Row[] = [];
    for (const { kind, bar } of databases) {
      if (!context.wants(kind)) continue;
      context.progress(`${kind}: ${context.rounds} rounds of ${BATCH * BATCHES} events of each kind`);
      const database = await openTemporaryDatabase(kind);
      try {
        const accounts = await Promise.all(
          Array.from({ length: ACCOUNTS }, () => createAccount(database.db)),
        );
        const fold = async (batches: readonly (readonly UsageEvent[])[]): Promise<Measurement> => {
          const cpu = process.cpuUsage();
          const began = performance.now();
          for (const events of batches) await foldUsage(database.db, GATEWAY, events);
          const seconds = (performance.now() - began) / 1e3;
          const { user, system } = process.cpuUsage(cpu);
          const count = batches.length * BATCH;
          return { rate: count / seconds, cpuMicros: (user + system) / count };
        };
        const short: Measurement[] = [];
        const open: Measurement[] = [];
        for (let round = -1; round < context.rounds; round++) {
          const tunnels = await fold(shortTunnels(accounts));
          const [first, ...rest] = openConnections(accounts);
          await fold([first ?? []]);
          const updates = await fold(rest);
          if (round < 0) continue;
          short.push(tunnels);
          open.push(updates);
        }
        context.keep(kind, { short, open });
        rows.push(
          ...rowsOf(`${kind}, short tunnels`, short, bar),
          ...rowsOf(`${kind}, open connections`, open, bar),
        );
      } finally {
        await database.close();
      }
    }
    return rows;
  },
};

/** Each event is all that there is of its connection. */
function shortTunnels(accounts: readonly TestAccount[]): UsageEvent[][] {
  const now = Date.now();
  return Array.from({ length: BATCHES }, () =>
    someConnections(BATCH, accounts, now).map((connection) => onlyEvent(connection, now)),
  );
}

/** The same connections again and again, as a gateway knows them: its first batch begins them. */
function openConnections(accounts: readonly TestAccount[]): UsageEvent[][] {
  const now = Date.now();
  const connections = someConnections(BATCH, accounts, now);
  return Array.from({ length: BATCHES + 1 }, (_, index) =>
    connections.map((connection) => {
      const event = nextEvent(connection, index + 1, now);
      return index === 0
        ? event
        : { ...event, base: { totals: nextEvent(connection, index, now).totals, epoch: 0n } };
    }),
  );
}

function rowsOf(name: string, measured: readonly Measurement[], atLeast: number): Row[] {
  return [
    makeRow({
      suite: "usage",
      case: name,
      metric: "events folded",
      unit: "1/s",
      better: "higher",
      ours: measured.map(({ rate }) => rate),
      bar: { of: "ours", atLeast },
    }),
    makeRow({
      suite: "usage",
      case: name,
      metric: "own CPU per event",
      unit: "µs",
      better: "lower",
      ours: measured.map(({ cpuMicros }) => cpuMicros),
    }),
  ];
}
