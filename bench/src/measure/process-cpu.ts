import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second in /proc: 100 on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const TICKS_PER_SECOND = 100;

interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/**
 * CPU seconds, user and system, that a process and all that it started have used since they began, those that have
 * ended and were waited for included (proc_pid_stat(5)). Differences are good to about 0.01 s.
 */
export function cpuSecondsOf(root: number): number {
  const children = Map.groupBy(allProcesses(), ({ parent }) => parent);
  const own = readProcess(root);
  if (own === undefined) throw new Error(`Process ${root} is gone: its CPU time cannot be read.`);
  let ticks = 0;
  const waiting = [own];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    ticks += next.ticks;
    waiting.push(...(children.get(next.pid) ?? []));
  }
  return ticks / TICKS_PER_SECOND;
}

function allProcesses(): ProcessLine[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((line) => line !== undefined);
}

function readProcess(pid: number): ProcessLine | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name may hold spaces: count from the last parenthesis. Fields 4 and 14 to 17.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const number = (field: number) => Number(fields[field - 3]);
    return { pid, parent: number(4), ticks: number(14) + number(15) + number(16) + number(17) };
  } catch {
    return undefined;
  }
}
