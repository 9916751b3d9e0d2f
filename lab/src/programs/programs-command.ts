import { writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { type DrivenPackage, ensurePackages } from "../../../scripts/debian-packages.ts";
import type { UpstreamProtocol } from "../faults/protected-machine.ts";
import { apt } from "./apt.ts";
import { chat } from "./chat.ts";
import { curlHttp1, curlHttp2 } from "./curl.ts";
import { gitOverHttp, gitOverSsh } from "./git.ts";
import { http3 } from "./http3.ts";
import { iperf3 } from "./iperf3.ts";
import type { Program } from "./program.ts";
import { type ProgramResult, runPrograms } from "./run-programs.ts";
import { smtp } from "./smtp.ts";
import { ssh } from "./ssh.ts";
import { transfer } from "./transfer.ts";
import { udpFirst } from "./udp-first.ts";

const packages: readonly DrivenPackage[] = [
  { name: "iperf3", program: "iperf3", untested: "iperf3 was not tried" },
  { name: "git", program: "git", untested: "git was not tried" },
  { name: "openssh-client", program: "ssh", untested: "ssh was not tried" },
  { name: "openssh-server", program: "/usr/sbin/sshd", untested: "ssh was not tried" },
  { name: "chromium", program: "chromium", untested: "no browser was tried" },
  { name: "ngtcp2-server", program: "gtlsserver", untested: "HTTP/3 was not tried" },
  { name: "apt", program: "apt-get", untested: "apt was not tried" },
];

const HTTP3_ROUNDS = 5;

/** In this order: git needs the server that ssh starts. */
const programs: readonly Program[] = [
  ...[curlHttp1, curlHttp2, udpFirst, http3(HTTP3_ROUNDS), smtp, chat],
  ...[ssh, gitOverHttp, gitOverSsh, apt, iperf3, transfer],
];

const upstreams: readonly UpstreamProtocol[] = ["socks5", "connect"];

/**
 * `npm run lab -- programs`: Returns the exit code: 1 when a program did not do through the tunnel what it does without.
 * @param transferBytes what the large transfer moves in each direction
 */
export async function programsCommand(json: string | undefined, transferBytes: number): Promise<number> {
  if (!Number.isSafeInteger(transferBytes) || transferBytes <= 0)
    throw new Error("--bytes must be a whole number, as in --bytes 4000000000.");
  const { missing } = await ensurePackages(packages);
  if (missing.length > 0) throw new Error(missing.map(({ name, why }) => `${name}: ${why}`).join("\n"));
  const load = loadavg()[0];
  const onResult = (result: ProgramResult) => process.stdout.write(line(result));
  const results: ProgramResult[] = [];
  const control: Partial<Record<UpstreamProtocol, number>> = {};
  for (const upstream of upstreams) {
    const report = await runPrograms({ upstream, programs, transferBytes, onResult });
    results.push(...report.results);
    control[upstream] = report.control;
  }
  const bad = results.filter(({ problem }) => problem !== null).length;
  const beside = results.reduce((sum, result) => sum + result.beside, 0);
  process.stdout.write(
    `${results.length - bad} of ${results.length} as without a tunnel; ${beside} packets beside it.\n`,
  );
  if (json !== undefined) {
    const machine = { kernel: release(), cores: cpus().length, loadBefore: load };
    const report = { programs: results.length, bad, beside, control, transferBytes, machine, results };
    writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  }
  return bad === 0 ? 0 : 1;
}

function line({ upstream, program, problem, seen, flows, beside, seconds }: ProgramResult): string {
  const what = problem ?? `${seen}; ${flows} flows, ${beside} packets beside`;
  return `${problem === null ? "good" : "BAD "}  ${upstream}, ${program}: ${what} (${seconds.toFixed(1)} s)\n`;
}
