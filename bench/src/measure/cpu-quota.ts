import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PERIOD_MICROS = 10_000;

/** A share of one core that the processes in it may use together, kept by the kernel (cgroups(7), version 1 or 2). */
export interface CpuQuota {
  /** The process, with all its threads and what it starts from now on. */
  add(pid: number): void;
  /** To be called when its processes are gone. */
  remove(): void;
}

/**
 * @param share of one core, from 0 to 1
 * @throws Error when this machine's control groups cannot be written
 */
export function createCpuQuota(name: string, share: number): CpuQuota {
  const quota = Math.round(PERIOD_MICROS * share);
  const first = "/sys/fs/cgroup/cpu";
  const isFirst = existsSync(join(first, "cgroup.procs"));
  const folder = join(isFirst ? first : "/sys/fs/cgroup", `atlantic-bench-${process.pid}-${name}`);
  mkdirSync(folder);
  if (isFirst) {
    writeFileSync(join(folder, "cpu.cfs_period_us"), String(PERIOD_MICROS));
    writeFileSync(join(folder, "cpu.cfs_quota_us"), String(quota));
  } else {
    writeFileSync(join(folder, "cpu.max"), `${quota} ${PERIOD_MICROS}`);
  }
  return {
    add: (pid) => writeFileSync(join(folder, "cgroup.procs"), String(pid)),
    remove: () => rmdirSync(folder),
  };
}
