import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { z } from "zod";
import { buildIfStale, chromeExtension, webPage } from "./build.ts";
import { ensurePackages } from "./debian-packages.ts";
import { onPath, runVisibly } from "./program.ts";
import { repository } from "./settings.ts";

/**
 * `npm test`: lint, types, dead code, native code, unit, integration and end-to-end tests, in this order, all of them
 * even when one fails. What cannot run here is listed with its reason; with CI=true it counts as a failure.
 * At the end stands how long each took, and what failed.
 */

interface Tally {
  passed: number;
  failed: number;
}

const reportSchema = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()) }),
      ),
    }),
  ),
});

const total: Tally = { passed: 0, failed: 0 };
const notRun: string[] = [];
/** Said once more at the end: the log of everything is long, and often only its end is kept. */
const failures: string[] = [];
const took: string[] = [];
const bin = (name: string) => join(repository, "node_modules/.bin", name);
process.env.PATH = `${join(repository, "node_modules/.bin")}:${process.env.PATH ?? ""}`;

const packages = await ensurePackages();
for (const { name, why } of packages.missing) notRun.push(`${name}: ${why}`);

await check("lint", [bin("biome"), "check", "--error-on-warnings", "."]);
await check("types", ["npm", "run", "--silent", "types"]);
await check("dead code", [bin("knip")]);
await checkNative();
await timed("builds", checkBuild);
await runVitest("unit");
await runVitest("integration");
// In one run, so that no worker is idle while the other ends its last file.
await runVitest("pages", "e2e");

process.stdout.write(`\n${took.join(", ")}\n`);
for (const line of failures) process.stdout.write(`failed: ${line}\n`);
for (const line of notRun) process.stdout.write(`not run: ${line}\n`);
if (process.env.CI === "true") total.failed += notRun.length;
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed === 0 ? 0 : 1;

async function check(name: string, command: readonly [string, ...string[]], cwd = repository): Promise<void> {
  process.stdout.write(`\n# ${name}\n`);
  const code = await timed(name, () => runVisibly(command, cwd));
  count(code === 0, name);
}

async function timed<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
  const began = performance.now();
  const result = await run();
  took.push(`${name} ${Math.round((performance.now() - began) / 1_000)} s`);
  return result;
}

function count(passed: boolean, name: string): void {
  if (passed) total.passed += 1;
  else total.failed += 1;
  if (!passed) failures.push(name);
}

async function checkNative(): Promise<void> {
  if (!(await onPath("cargo"))) {
    notRun.push(
      "native code: there is no cargo on this machine, so the fallbacks in TypeScript were tested alone",
    );
    return;
  }
  const native = join(repository, "native");
  await check("native format", ["cargo", "fmt", "--all", "--check"], native);
  await check(
    "native lint",
    ["cargo", "clippy", "--quiet", "--locked", "--all-targets", "--", "-D", "warnings"],
    native,
  );
  await check("native tests", ["cargo", "test", "--quiet", "--locked"], native);
  await check("native build", [process.execPath, "build.mjs"], native);
}

async function checkBuild(): Promise<void> {
  for (const build of [webPage, chromeExtension]) {
    process.stdout.write(`\n# build of the ${build.name}\n`);
    try {
      await buildIfStale(build);
      count(true, build.name);
    } catch (error) {
      process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
      count(false, build.name);
    }
  }
}

/** Each test that failed with the first line of why, and each file that failed outside of its tests. */
function failuresIn({ testResults }: z.infer<typeof reportSchema>): string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(repository, name);
    const failed = assertionResults.filter((test) => test.status === "failed");
    if (status === "failed" && failed.length === 0)
      return [`${file}: ${firstLine(message) || "a hook of it"}`];
    return failed.map((test) => `${file}: ${test.fullName}: ${firstLine(test.failureMessages[0])}`);
  });
}

function firstLine(text = ""): string {
  return text.split("\n", 1)[0] ?? "";
}

async function runVitest(...projects: readonly string[]): Promise<void> {
  const name = projects.join(" and ");
  process.stdout.write(`\n# ${name} tests\n`);
  const file = join(tmpdir(), `atlantic-${process.pid}-${projects.join("-")}.json`);
  const command = [
    bin("vitest"),
    "run",
    ...projects.flatMap((project) => ["--project", project]),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${file}`,
  ] as const;
  const code = await timed(name, () => runVisibly(command, repository));
  try {
    const report = reportSchema.parse(JSON.parse(await readFile(file, "utf8")));
    total.passed += report.numPassedTests;
    // A file that could not even be loaded fails the run without counting a test.
    total.failed += Math.max(report.numFailedTests, code === 0 ? 0 : 1);
    const found = failuresIn(report);
    failures.push(...found);
    if (code !== 0 && found.length === 0) failures.push(`${name} tests: an error outside of them, see above`);
    if (report.numPendingTests > 0) notRun.push(`${report.numPendingTests} ${name} tests were skipped`);
  } catch {
    count(false, `${name} tests ended without a report`);
  } finally {
    await rm(file, { force: true });
  }
}
