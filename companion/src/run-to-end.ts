import { spawn } from "node:child_process";

/** What a program left that has ended. */
export interface Ran {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program, through no shell, to its end. Rejects when it cannot be started. @param timeoutMs then it is killed */
export function runToEnd(
  [program = "", ...args]: readonly string[],
  { input = "", timeoutMs }: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: "pipe",
      ...(timeoutMs !== undefined && { timeout: timeoutMs, killSignal: "SIGKILL" }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
    // A program that ends without reading its input says by its code what is wrong.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
