import { once } from "node:events";
import { checkLab, describeFindings } from "./check.ts";
import { createLab } from "./lab.ts";
import { labMap } from "./map.ts";
import { labProblem } from "./requirements.ts";

const commands = ["up", "check"];
const [command = "up"] = process.argv.slice(2);
const problem = commands.includes(command)
  ? labProblem()
  : `The lab has no command "${command}". There are: ${commands.join(", ")}.`;
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}

const interrupted = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
const lab = await createLab();
try {
  if (command === "check") {
    const findings = await checkLab(lab);
    process.stdout.write(describeFindings(findings));
    process.exitCode = findings.every(({ good }) => good) ? 0 : 1;
  } else {
    process.stdout.write(`${labMap(lab)}\nCtrl-C removes it.\n`);
    // A pending promise alone does not keep Node running.
    const keepRunning = setInterval(() => {}, 1 << 30);
    await interrupted;
    clearInterval(keepRunning);
    process.stdout.write("\nRemoving the lab …\n");
  }
} finally {
  await lab.close();
}
// The wait for a signal would otherwise be the last thing open.
process.exit();
