import { runToEnd } from "../../run-to-end.ts";

/** Runs a program that must succeed. @returns what it printed */
export async function runProgram(argv: readonly string[], input = ""): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(argv, { input });
  if (code !== 0) throw new Error(`${argv.join(" ")} failed (${code}): ${stderr.trim() || stdout.trim()}`);
  return stdout;
}
