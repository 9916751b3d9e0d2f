import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Who made a lab: a process id alone is not enough, because ids are used again. */
export interface Creator {
  readonly pid: number;
  /** Start of the process in clock ticks since boot (field 22 of /proc/PID/stat, see proc_pid_stat(5)). */
  readonly startTicks: number;
}

const pattern = /^atl-([0-9a-z]+)-([0-9a-z]+)-([0-9a-z]+)-[a-z0-9-]+$/;

/** The prefix of all namespaces of one lab: `atl-<pid>-<start>-<count>`, numbers in base 36. */
export function labPrefix(creator: Creator, count: number): string {
  return ["atl", creator.pid, creator.startTicks, count]
    .map((part) => (typeof part === "number" ? part.toString(36) : part))
    .join("-");
}

let labsOfThisProcess = 0;

/** The prefix of the next lab that this process makes. */
export function nextLabPrefix(): string {
  labsOfThisProcess += 1;
  return labPrefix(thisCreator(), labsOfThisProcess);
}

/** The lab's own folder for files. */
export function labFolder(prefix: string): string {
  return join(tmpdir(), `${prefix}-files`);
}

/** Who made the lab that this namespace belongs to; undefined when it is no namespace of a lab. */
export function creatorOf(namespace: string): Creator | undefined {
  const [, pid, startTicks] = pattern.exec(namespace) ?? [];
  if (pid === undefined || startTicks === undefined) return undefined;
  return { pid: Number.parseInt(pid, 36), startTicks: Number.parseInt(startTicks, 36) };
}

/** Whether the process that made a lab still runs. */
export function isAlive(creator: Creator): boolean {
  return startTicksOf(creator.pid) === creator.startTicks;
}

/** This process as a creator. */
export function thisCreator(): Creator {
  const startTicks = startTicksOf(process.pid);
  if (startTicks === undefined) throw new Error("/proc is not mounted: the lab needs it.");
  return { pid: process.pid, startTicks };
}

function startTicksOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name stands in parentheses and may hold anything: count fields after the last one.
    const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(afterName[19]);
  } catch {
    return undefined;
  }
}
