import { readdir, readFile, stat } from "node:fs/promises";
import { EventLoopDelay } from "./event-loop-delay.ts";
import { counter, gauge, labelled, type MetricFamily } from "./metric-family.ts";

/** What this process costs. */
export interface ProcessMetrics {
  read(): Promise<MetricFamily[]>;
  close(): Promise<void>;
}

/**
 * Watches this process from now on. Its families have the names that all of Prometheus' clients give them; where there
 * is no /proc, those that need it are missing.
 * @param name the process among those of this server: `main`, or a gateway process's number
 */
export function watchProcess(name: string): ProcessMetrics {
  const delay = new EventLoopDelay();
  return {
    read: async () => {
      const [open, most] = await Promise.all([openDescriptors(), mostDescriptors()]);
      return labelled(
        [
          counter("process_cpu_seconds_total", "CPU of all threads, user and system.", cpuSeconds()),
          gauge("process_resident_memory_bytes", "Resident memory.", process.memoryUsage.rss()),
          ...(open === null ? [] : [gauge("process_open_fds", "Open descriptors.", open)]),
          ...(most === null ? [] : [gauge("process_max_fds", "The most descriptors it may open.", most)]),
          gauge(
            "process_start_time_seconds",
            "When the process was started, in seconds since 1970.",
            performance.timeOrigin / 1_000,
          ),
          delay.read(),
        ],
        { process: name },
      );
    },
    close: async () => delay.close(),
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Linux tells the number as the directory's size since 6.2; before, its entries have to be counted. */
async function openDescriptors(): Promise<number | null> {
  const path = "/proc/self/fd";
  const told = await stat(path).then(
    ({ size }) => size,
    () => null,
  );
  if (told !== 0) return told;
  return readdir(path).then(
    ({ length }) => length,
    () => null,
  );
}

/** The soft limit, which may be raised while the process runs. */
async function mostDescriptors(): Promise<number | null> {
  const text = await readFile("/proc/self/limits", "latin1").catch(() => "");
  const limit = /^Max open files +(\d+)/m.exec(text)?.[1];
  return limit === undefined ? null : Number(limit);
}
