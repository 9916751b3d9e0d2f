import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seedPglite } from "../../db/testing/pglite-template.ts";
import { databaseKinds } from "../../db/testing/temporary-database.ts";
import { startTemporaryPostgres } from "../../db/testing/temporary-postgres.ts";
import { type CrashReport, proveCrashes } from "./crash-proof.ts";

/**
 * `npm run proof:crash -- --rounds 1000 [--minutes 20]`: kills a gateway that many times under mixed load, half of them
 * on each database, both at the same time. Exit code 1 when anything was counted that did not flow, or was lost
 * beyond the bound. The outcome is kept in bench/results/crash-proof.json.
 */
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "1000" }, minutes: { type: "string", default: "60" } },
});
const each = Math.ceil(Number(values.rounds) / databaseKinds.length);
const deadline = Date.now() + Number(values.minutes) * 60_000;
/** Rounds on one cluster: comparing all books takes longer with all that ever was. */
const PORTION = 50;

const outcomes = await Promise.all(
  databaseKinds.map(async (kind) => {
    const reports: CrashReport[] = [];
    for (let done = 0; done < each && Date.now() < deadline; ) {
      const report = await portion(kind, Math.min(PORTION, each - done), done);
      reports.push(report);
      done += report.kills;
    }
    return { database: kind, ...summed(reports) };
  }),
);
const results = join(import.meta.dirname, "../../../../bench/results");
mkdirSync(results, { recursive: true });
writeFileSync(
  join(results, "crash-proof.json"),
  `${JSON.stringify({ at: new Date().toISOString(), outcomes }, null, 2)}\n`,
);
process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);

async function portion(
  kind: (typeof databaseKinds)[number],
  rounds: number,
  done: number,
): Promise<CrashReport> {
  const directory = mkdtempSync(join(tmpdir(), "atlantic-crash-"));
  if (kind === "pglite") await seedPglite(directory);
  const postgres = kind === "postgres" ? await startTemporaryPostgres() : undefined;
  try {
    return await proveCrashes(
      postgres ? { kind: "postgres", url: await postgres.createDatabase() } : { kind: "pglite", directory },
      {
        rounds,
        until: deadline,
        progress: (round) => {
          if (round > 0 && round % 10 === 0) process.stdout.write(`${kind}: ${done + round} kills\n`);
        },
      },
    );
  } finally {
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function summed(reports: readonly CrashReport[]) {
  const sum = (pick: (report: CrashReport) => number) => reports.reduce((all, one) => all + pick(one), 0);
  const medians = reports.map(({ lostMs }) => lostMs.median).sort((a, b) => a - b);
  return {
    kills: sum(({ kills }) => kills),
    connections: sum(({ connections }) => connections),
    bytes: String(reports.reduce((all, { bytes }) => all + BigInt(bytes), 0n)),
    resets: sum(({ resets }) => resets),
    lostMsMedian: medians[Math.floor(medians.length / 2)] ?? 0,
    lostMsMost: Math.max(0, ...reports.map(({ lostMs }) => lostMs.most)),
  };
}
