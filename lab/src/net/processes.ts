import { run } from "./run.ts";

/** The processes in a network namespace; none where there is no such namespace. */
export async function processesIn(namespace: string): Promise<number[]> {
  const { stdout } = await run(["ip", "netns", "pids", namespace]);
  return stdout.split("\n").filter(Boolean).map(Number);
}

/** Nothing where there is no such process: it may have ended meanwhile. */
export function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
