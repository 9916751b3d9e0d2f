import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { seedPglite } from "../../db/testing/pglite-template.ts";
import { startTemporaryPostgres } from "../../db/testing/temporary-postgres.ts";
import { HELD_MOST_BYTES } from "../leases.ts";
import { type QuotaOutcome, type QuotaRun, runQuota } from "./quota-run.ts";

/**
 * `npm run proof:quota`: many clients share a balance and pull as fast as they can through real gateways, with and
 * without gateways being killed. Fails when anything came beyond the published bound.
 */
const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "200" },
    bytes: { type: "string", default: "1000000000" },
    kills: { type: "string", default: "8" },
    only: { type: "string" },
    json: { type: "string" },
  },
});
const clients = Number(values.clients);
const balanceBytes = Number(values.bytes);
const kills = Number(values.kills);

const postgres = await startTemporaryPostgres();
const directory = await mkdtemp(join(tmpdir(), "atlantic-quota-"));
const outcomes: Record<string, QuotaOutcome> = {};
let failed = false;

try {
  for (const [name, run] of Object.entries(await runs())) {
    if (values.only !== undefined && values.only !== name) continue;
    const outcome = await runQuota(run);
    outcomes[name] = outcome;
    const problems = problemsOf(outcome);
    failed ||= problems.length > 0;
    process.stdout.write(
      `${name}: ${sentence(outcome)}${problems.map((one) => `\n  FAILED: ${one}`).join("")}\n`,
    );
  }
} finally {
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}
if (values.json !== undefined) {
  const machine = { cores: cpus().length, node: process.version };
  const bound = { perKilledGateway: HELD_MOST_BYTES, otherwise: 0 };
  const report = { what: "quota", clients, balanceBytes, bound, machine, outcomes };
  await writeFile(resolve(values.json), `${JSON.stringify(report, null, 2)}\n`);
}
process.exit(failed ? 1 : 0);

async function runs(): Promise<Record<string, QuotaRun>> {
  const pglite = async (name: string) => {
    await seedPglite(join(directory, name));
    return { kind: "pglite", directory: join(directory, name) } as const;
  };
  const shared = async () => ({ kind: "postgres", url: await postgres.createDatabase() }) as const;
  const whole = { clients, balanceBytes };
  return {
    "PGlite, one gateway": { ...whole, place: await pglite("calm"), gateways: 1, kills: 0 },
    "PGlite, one gateway, killed": { ...whole, place: await pglite("killed"), gateways: 1, kills },
    "Postgres, two gateways": { ...whole, place: await shared(), gateways: 2, kills: 0 },
    "Postgres, two gateways, killed": { ...whole, place: await shared(), gateways: 2, kills },
  };
}

function problemsOf(outcome: QuotaOutcome): string[] {
  const bound = outcome.kills * HELD_MOST_BYTES;
  const checks: [boolean, string][] = [
    [outcome.overrun <= bound, `${outcome.overrun} bytes came beyond the balance; the bound is ${bound}`],
    [outcome.storedOverrun === 0, `the database says that ${outcome.storedOverrun} bytes too many were used`],
    [outcome.worstSeen <= 0, `at one moment ${outcome.worstSeen} bytes too many were used and reserved`],
    [outcome.used <= outcome.allowance, `${outcome.used} bytes are charged of ${outcome.allowance}`],
    [
      outcome.connections === outcome.used,
      `the connections carried ${outcome.connections}, charged are ${outcome.used}`,
    ],
    [outcome.reserved === 0, `${outcome.reserved} bytes are still reserved`],
    [outcome.toppedUp, "a top-up did not work on the next connection"],
  ];
  return checks.filter(([holds]) => !holds).map(([, problem]) => problem);
}

function sentence(outcome: QuotaOutcome): string {
  const { allowance, delivered, used, overrun, tunnels, seconds } = outcome;
  return `${clients} clients, balance ${allowance}: delivered ${delivered}, charged ${used}, overrun ${overrun}, ${outcome.kills} kills, ${tunnels} tunnels, ${seconds.toFixed(1)} s`;
}
