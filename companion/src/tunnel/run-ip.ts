import { spawn } from "node:child_process";
import { ClearError } from "../clear-error.ts";

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

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(argv: readonly string[], input: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn("ip", argv, { stdio: "pipe" });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (cause) =>
      reject(new ClearError("The program ip cannot be run. Install iproute2.", { cause })),
    );
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.on("error", () => {
      // It ended before it read everything; its exit code tells why.
    });
    child.stdin.end(input);
  });
}
