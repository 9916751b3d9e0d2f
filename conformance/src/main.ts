import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeDifferential } from "../differential/describe-differential.ts";
import { runDifferential } from "../differential/run-differential.ts";
import { type ConformanceArguments, HELP, readArguments } from "./arguments.ts";
import { allCases } from "./cases/all-cases.ts";
import { groups, groupTitles } from "./conformance-case.ts";
import { isAlone, runAlone } from "./isolation.ts";
import { serveNames } from "./names-server.ts";
import { conformancePage, type Report, type SubjectReport, scoreTable, subjectReport } from "./report.ts";
import { runCases } from "./run-cases.ts";
import { describeScore } from "./score.ts";
import type { Subject } from "./subject.ts";
import { givenSubject } from "./subjects/given.ts";
import { startOurs } from "./subjects/ours.ts";
import { peers } from "./subjects/peers.ts";

const repository = join(import.meta.dirname, "../..");

try {
  const wanted = readArguments(process.argv.slice(2));
  if (wanted.help) process.stdout.write(HELP);
  else {
    const elsewhere = wanted.proxy === null ? runAlone() : undefined;
    process.exitCode = elsewhere ?? (await (wanted.differential ? compare(wanted) : examine(wanted)));
    // What a peer left behind must not keep the program.
    if (elsewhere === undefined) process.exit();
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** @returns 1 when ours and squid differ in something that no rule explains */
async function compare({ requests, seed }: ConformanceArguments): Promise<number> {
  if (isAlone()) await serveNames();
  const ours = await startOurs();
  const squid = await peers.squid?.();
  if (squid === undefined) throw new Error("There is no squid among the peers.");
  const result = await runDifferential(ours, squid, { requests, seed });
  process.stdout.write(describeDifferential(result));
  await squid.close();
  await ours.close();
  return result.unexplained.length === 0 ? 0 : 1;
}

/** @returns 1 when ours fails a case, or a proxy that was asked for cannot be examined */
async function examine(wanted: ConformanceArguments): Promise<number> {
  if (!isAlone() && wanted.proxy === null) {
    process.stdout.write(
      "This is not a network of its own (Linux and root are needed for one): peers may try to reach private addresses of this network.\n",
    );
  }
  if (isAlone()) await serveNames();
  const report: Report = { date: new Date().toISOString().slice(0, 10), subjects: [] };
  let failed = false;
  for (const start of startsOf(wanted)) {
    try {
      const subject = await start();
      const one = await examineSubject(subject, wanted);
      report.subjects.push(one);
      if (subject.name.startsWith("atlantic") || wanted.proxy !== null) failed ||= hasFailed(one);
    } catch (error) {
      failed = true;
      process.stderr.write(`not examined: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  process.stdout.write(`\n${scoreTable(report)}\n`);
  if (wanted.json !== null) writeFileSync(wanted.json, `${JSON.stringify(report, null, 2)}\n`);
  if (wanted.docs) keep(report);
  return failed ? 1 : 0;
}

function startsOf({ proxy, subjects }: ConformanceArguments): (() => Promise<Subject>)[] {
  if (proxy !== null) return [() => givenSubject(proxy)];
  return subjects.map((name) => peers[name] ?? (() => startOurs({ native: name === "ours" })));
}

function hasFailed({ results }: SubjectReport): boolean {
  return results.some(({ outcome }) => outcome === "fail");
}

async function examineSubject(subject: Subject, { only }: ConformanceArguments): Promise<SubjectReport> {
  process.stdout.write(`\n${subject.name}: ${subject.about}\n`);
  const cases = allCases.filter((one) => only === null || `${one.group} ${one.id}`.includes(only));
  try {
    const report = subjectReport(subject, await runCases(subject, cases));
    describe(report);
    return report;
  } finally {
    await subject.close();
  }
}

function describe({ results, scores }: SubjectReport): void {
  for (const { id, level, section, must, outcome, saw } of results) {
    if (outcome === "fail")
      process.stdout.write(`  ✗ ${id} [${level}, ${section}]\n      ${must}\n      ${saw}\n`);
  }
  for (const group of groups) {
    const score = scores[group] ?? { passed: 0, of: 0 };
    process.stdout.write(`  ${groupTitles[group].padEnd(18)} ${describeScore(score)}\n`);
  }
}

function keep(report: Report): void {
  const folder = join(repository, "conformance/results");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${report.date}-conformance.json`), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(repository, "docs/conformance.md"), conformancePage(report));
}
