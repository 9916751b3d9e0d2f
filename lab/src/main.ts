import { once } from "node:events";
import { checkLab, describeFindings } from "./check.ts";
import { startGatewayInLab } from "./gateway-in-lab.ts";
import { createLab, type Lab } from "./lab.ts";
import { labMap } from "./map.ts";
import { labProblem } from "./requirements.ts";

/** `up` has our gateway in it, `bare` has not; `check` looks whether the lab is what it says, and goes. */
const commands = ["up", "bare", "check"];
const [command = "up"] = process.argv.slice(2);

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());

const problem = commands.includes(command)
  ? labProblem()
  : `The lab has no command "${command}". There are: ${commands.join(", ")}.`;
try {
  if (problem !== undefined) throw new Error(problem);
  process.stdout.write("Building the lab: namespaces, sites and three exits …\n");
  const lab = await createLab();
  try {
    await (command === "check" ? check(lab) : stay(lab, command === "up"));
  } finally {
    await lab.close();
  }
} catch (error) {
  // Ctrl-C ends the lab's programs as well: that they ended is no news then.
  if (!stop.signal.aborted)
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}

async function check(lab: Lab): Promise<void> {
  const findings = await checkLab(lab);
  process.stdout.write(describeFindings(findings));
  process.exitCode = findings.every(({ good }) => good) ? 0 : 1;
}

async function stay(lab: Lab, withGateway: boolean): Promise<void> {
  if (withGateway) process.stdout.write("Starting our gateway in it …\n");
  const gateway = withGateway ? await startGatewayInLab(lab) : undefined;
  process.stdout.write(`${labMap(lab, gateway)}\nCtrl-C removes it.\n`);
  // A pending promise alone does not keep Node running.
  const keepRunning = setInterval(() => {}, 1 << 30);
  if (!stop.signal.aborted) await once(stop.signal, "abort");
  clearInterval(keepRunning);
  process.stdout.write("\nRemoving the lab …\n");
}
