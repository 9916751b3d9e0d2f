import { ClearError } from "../clear-error.ts";
import { ControlFailure } from "../control/control-failure.ts";
import { everyCommand, program } from "./program.ts";

/** 0: done; 1: it did not work, with one sentence on stderr; 2: the command was not understood. */
const commands = program((text) => void process.stdout.write(`${text}\n`));
for (const command of everyCommand(commands)) {
  command.showHelpAfterError("(--help says more)");
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}

try {
  await commands.parseAsync();
} catch (error) {
  if (!(error instanceof ClearError) && !(error instanceof ControlFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
