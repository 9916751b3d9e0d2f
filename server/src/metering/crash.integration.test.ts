import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { seedPglite } from "../db/testing/pglite-template.ts";
import { databaseKinds } from "../db/testing/temporary-database.ts";
import { startTemporaryPostgres } from "../db/testing/temporary-postgres.ts";
import { proveCrashes } from "./testing/crash-proof.ts";

/** `npm run proof:crash` does the same a thousand times. */
const ROUNDS = 5;

describe("a gateway that is killed under load", () => {
  // Side by side: most of it is waiting.
  test.concurrent.each(databaseKinds)(
    "counts no byte twice, charges none that did not flow, and loses less than one flush interval, on %s",
    { timeout: 120_000 },
    async (kind) => {
      const directory = await mkdtemp(join(tmpdir(), "atlantic-crash-"));
      if (kind === "pglite") await seedPglite(directory);
      const postgres = kind === "postgres" ? await startTemporaryPostgres() : undefined;
      try {
        const report = await proveCrashes(
          postgres
            ? { kind: "postgres", url: await postgres.createDatabase() }
            : { kind: "pglite", directory },
          { rounds: ROUNDS },
        );
        expect(report.kills).toBe(ROUNDS);
        expect(report.connections).toBeGreaterThan(ROUNDS * 5);
      } finally {
        await postgres?.stop();
        await rm(directory, { recursive: true, force: true });
      }
    },
  );
});
