import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type FuzzResult, FuzzRun } from "./fuzz-run.ts";
import type { FuzzJob } from "./fuzz-worker.ts";
import { allTargets, shareOf } from "./targets/all-targets.ts";

const HELP = `npm run fuzz -- [--inputs N] [--seed S] [--only TEXT]

  --inputs N   how many inputs in all; default: 10,000,000
  --seed S     the same seed gives the same inputs; default: the day
  --only TEXT  only targets whose name has this in it
`;

/** Inputs of one job: each begins with a fresh seed. */
const JOB_INPUTS = 100_000;

try {
  process.exitCode = await fuzz();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function fuzz(): Promise<number> {
  const { values } = parseArgs({
    options: {
      inputs: { type: "string", default: "10000000" },
      seed: { type: "string", default: new Date().toISOString().slice(0, 10).replaceAll("-", "") },
      only: { type: "string", default: "" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
  if (!Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed)) {
    throw new Error("--inputs and --seed want whole numbers.");
  }
  const run = new FuzzRun(jobsOf(inputs, seed, values.only));
  const result = await run.finished();
  for (const { target, index, input, problem } of result.failures) {
    process.stdout.write(`\nFAILED: ${target}, input ${index}: ${problem}\n  base64: ${input}\n`);
  }
  const kept = keep(seed, result, values.only);
  process.stdout.write(
    `\n${result.inputs.toLocaleString("en")} inputs in ${result.seconds} s, ${result.failures.length} failures, peak memory ${result.peakMiB} MiB; kept in ${kept}\n`,
  );
  return result.failures.length === 0 ? 0 : 1;
}

/** The jobs of all targets, mixed, so that the threads end together. */
function jobsOf(inputs: number, seed: number, only: string): FuzzJob[] {
  const targets = allTargets.filter(({ name }) => name.includes(only));
  const jobs = targets.flatMap((target) => {
    const share = shareOf(target, inputs);
    return Array.from({ length: Math.ceil(share / JOB_INPUTS) }, (_, index) => ({
      target: target.name,
      inputs: Math.min(JOB_INPUTS, share - index * JOB_INPUTS),
      seed: seed + index * 7_919,
      index,
    }));
  });
  return jobs.sort((a, b) => a.index - b.index).map(({ target, inputs, seed }) => ({ target, inputs, seed }));
}

function keep(seed: number, result: FuzzResult, only: string): string {
  const folder = join(import.meta.dirname, "../results");
  mkdirSync(folder, { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  const file = join(folder, `${date}-fuzz${only === "" ? "" : "-part"}.json`);
  writeFileSync(file, `${JSON.stringify({ date, seed, node: process.version, ...result }, null, 2)}\n`);
  return file.slice(join(import.meta.dirname, "../..").length + 1);
}
