import { readFileSync } from "node:fs";

/** Resident memory of one process in bytes (VmRSS of proc_pid_status(5)). */
export function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kibibytes === undefined) throw new Error(`Process ${pid} has no resident memory: it has ended.`);
  return Number(kibibytes) * 1024;
}
