import { spawn } from "node:child_process";
import { once } from "node:events";
import { ensurePackages } from "../../scripts/debian-packages.ts";
import { buildLoad } from "./load/build.ts";

const INSIDE = "ATLANTIC_BENCH_NETWORK";

/**
 * Thousands of new connections a second use up a machine's ports, others' and those of the next measurement: where it
 * can (Linux, root) the bench runs again in a network of its own, which has nothing but a loopback and all its ports.
 * @returns the exit code of that run; undefined where this process is to measure by itself
 */
export async function runInOwnNetwork(argv: readonly string[]): Promise<number | undefined> {
  if (process.env[INSIDE] !== undefined || process.platform !== "linux" || process.getuid?.() !== 0)
    return undefined;
  // There is no way to a package server from in there.
  await ensurePackages();
  await buildLoad();
  await buildLoad("tunnel-load");
  const prepare = "ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range='1024 65535' && exec \"$@\"";
  const self = [process.execPath, ...process.execArgv, process.argv[1] ?? "", ...argv];
  const child = spawn("unshare", ["--net", "sh", "-c", prepare, "sh", ...self], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  });
  const end = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  const [code] = await once(child, "exit");
  return code ?? 1;
}
