import { ClearError } from "../clear-error.ts";
import { type Ran, runToEnd } from "../run-to-end.ts";

export type Family = 4 | 6;

/** Commands that may fail, each by itself. */
export interface BatchOptions {
  readonly force?: boolean;
}

/**
 * Runs commands of iproute2 in one go.
 * @throws ClearError with what `ip` said, unless they may fail
 */
export async function runIp(
  family: Family,
  commands: readonly string[],
  options: BatchOptions = {},
): Promise<void> {
  if (commands.length === 0) return;
  const argv = [`-${family}`, ...(options.force ? ["-force"] : []), "-batch", "-"];
  const { code, stderr } = await run(argv, `${commands.join("\n")}\n`);
  if (code !== 0 && !options.force) throw new ClearError(`ip refused to do as it was told: ${stderr.trim()}`);
}

/** What `ip` shows; empty when it failed. */
export async function showIp(family: Family, argv: readonly string[]): Promise<string> {
  const { code, stdout } = await run([`-${family}`, ...argv], "");
  return code === 0 ? stdout : "";
}

async function run(argv: readonly string[], input: string): Promise<Ran> {
  try {
    return await runToEnd(["ip", ...argv], { input });
  } catch (cause) {
    throw new ClearError("The program ip cannot be run. Install iproute2.", { cause });
  }
}
