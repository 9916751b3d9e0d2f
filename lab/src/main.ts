import { once } from "node:events";
import { parseArgs } from "node:util";
import { bootCommand } from "./boot/boot-command.ts";
import { checkLab, describeFindings } from "./check.ts";
import { faultsCommand } from "./faults/faults-command.ts";
import { pointsCommand } from "./faults/points-command.ts";
import { startGatewayInLab } from "./gateway-in-lab.ts";
import { createLab, type Lab } from "./lab.ts";
import { groupsCommand } from "./leaks/groups-command.ts";
import { leaksCommand } from "./leaks/leaks-command.ts";
import { mutationCommand } from "./leaks/mutation-command.ts";
import { labMap } from "./map.ts";
import { programsCommand } from "./programs/programs-command.ts";
import { labProblem } from "./requirements.ts";

/** What `npm run lab` has. `up` has our gateway in it, `bare` has not. */
const commands: Readonly<Record<string, () => Promise<number>>> = {
  up: () => inLab((lab) => stay(lab, true)),
  bare: () => inLab((lab) => stay(lab, false)),
  check: () => inLab(check),
  leaks: () => leaksCommand(values.json, values.rules),
  faults: () =>
    faultsCommand({
      json: values.json,
      count: Number(values.count),
      package: values.package,
      seconds: Number(values.seconds),
      only: values.only,
    }),
  points: () =>
    pointsCommand({ json: values.json, seconds: Number(values.seconds), count: Number(values.count) }),
  boot: () => bootCommand(values.json, values.package),
  programs: () => programsCommand(values.json, Number(values.bytes)),
  groups: () => groupsCommand(values.json, Number(values.count)),
  mutation: () => mutationCommand(values.json, Number(values.every), values.only),
};
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    rules: { type: "string" },
    count: { type: "string", default: "100" },
    bytes: { type: "string", default: "4000000000" },
    package: { type: "string" },
    seconds: { type: "string", default: "Infinity" },
    only: { type: "string" },
    every: { type: "string", default: "1" },
  },
});
const [command = "up"] = positionals;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());

try {
  const begin = commands[command];
  if (!begin)
    throw new Error(`The lab has no command "${command}". There are: ${Object.keys(commands).join(", ")}.`);
  const problem = labProblem();
  if (problem !== undefined) throw new Error(problem);
  process.exitCode = await begin();
} catch (error) {
  // Ctrl-C ends the lab's programs as well: that they ended is no news then.
  if (!stop.signal.aborted)
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}

async function inLab(use: (lab: Lab) => Promise<number>): Promise<number> {
  process.stdout.write("Building the lab: namespaces, sites and three exits …\n");
  const lab = await createLab();
  try {
    return await use(lab);
  } finally {
    await lab.close();
  }
}

async function check(lab: Lab): Promise<number> {
  const findings = await checkLab(lab);
  process.stdout.write(describeFindings(findings));
  return findings.every(({ good }) => good) ? 0 : 1;
}

async function stay(lab: Lab, withGateway: boolean): Promise<number> {
  if (withGateway) process.stdout.write("Starting our gateway in it …\n");
  const gateway = withGateway ? await startGatewayInLab(lab) : undefined;
  process.stdout.write(`${labMap(lab, gateway)}\nCtrl-C removes it.\n`);
  // A pending promise alone does not keep Node running.
  const keepRunning = setInterval(() => {}, 1 << 30);
  if (!stop.signal.aborted) await once(stop.signal, "abort");
  clearInterval(keepRunning);
  process.stdout.write("\nRemoving the lab …\n");
  return 0;
}
