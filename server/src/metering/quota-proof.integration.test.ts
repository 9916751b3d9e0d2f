import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedPglite } from "../db/testing/pglite-template.ts";
import { startTemporaryPostgres, type TemporaryPostgres } from "../db/testing/temporary-postgres.ts";
import { HELD_MOST_BYTES } from "./leases.ts";
import { type QuotaOutcome, runQuota } from "./testing/quota-run.ts";

const MB = 1_000_000;

describe("clients that share a balance and pull as fast as they can", () => {
  let postgres: TemporaryPostgres;
  let directory: string;

  beforeAll(async () => {
    postgres = await startTemporaryPostgres();
    directory = await mkdtemp(join(tmpdir(), "atlantic-quota-"));
    await seedPglite(directory);
  });
  afterAll(async () => {
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  });

  function exact(outcome: QuotaOutcome): void {
    expect(outcome.delivered).toBeLessThanOrEqual(outcome.allowance);
    expect(outcome.used).toBeGreaterThan(outcome.allowance - 65_536);
    expectSound(outcome);
  }

  function expectSound(outcome: QuotaOutcome): void {
    expect(outcome).toMatchObject({ storedOverrun: 0, worstSeen: 0, reserved: 0, toppedUp: true });
    expect(outcome.used).toBeLessThanOrEqual(outcome.allowance);
    expect(outcome.connections).toBe(outcome.used);
  }

  test("get the balance and nothing more, from one gateway on PGlite", async () => {
    exact(
      await runQuota({
        place: { kind: "pglite", directory },
        gateways: 1,
        clients: 40,
        balanceBytes: 40 * MB + 7,
        kills: 0,
      }),
    );
  });

  test("get the balance and nothing more, from two gateways on Postgres", async () => {
    const place = { kind: "postgres", url: await postgres.createDatabase() } as const;
    exact(await runQuota({ place, gateways: 2, clients: 40, balanceBytes: 40 * MB + 7, kills: 0 }));
  });

  test("get at most the published bound more for each gateway that is killed", async () => {
    const place = { kind: "postgres", url: await postgres.createDatabase() } as const;
    const outcome = await runQuota({ place, gateways: 2, clients: 40, balanceBytes: 60 * MB, kills: 2 });
    expectSound(outcome);
    expect(outcome.overrun).toBeLessThanOrEqual(outcome.kills * HELD_MOST_BYTES);
  });
});
