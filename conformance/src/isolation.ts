import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testNames } from "./subjects/names.ts";

const MARK = "ATLANTIC_CONFORMANCE_ALONE";

/** Addresses that proxies must not reach: here they are this machine's, so that reaching them shows and harms nobody. */
const bait = ["10.0.0.1/32", "169.254.169.254/32", "192.168.0.1/32", "fd00::1/128"];

/**
 * Runs this program again in a network of its own, in which nothing but loopback can be reached: what a proxy is
 * lured to dial stays there.
 * @returns its exit code; undefined where this is already it, or cannot be had (not Linux, not root)
 */
export function runAlone(): number | undefined {
  if (process.env[MARK] !== undefined || process.platform !== "linux" || process.getuid?.() !== 0)
    return undefined;
  const folder = mkdtempSync(join(tmpdir(), "atlantic-alone-"));
  try {
    const hosts = join(folder, "hosts");
    const lines = Object.entries(testNames).flatMap(([name, list]) => list.map((each) => `${each} ${name}`));
    writeFileSync(hosts, `${lines.join("\n")}\n::1 ip6-localhost\n`);
    const resolvers = join(folder, "resolv.conf");
    writeFileSync(resolvers, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    const script = [
      "ip link set lo up",
      ...bait.map((address) => `ip address add ${address} dev lo`),
      'mount --bind "$0" /etc/hosts',
      'mount --bind "$1" /etc/resolv.conf',
      "shift",
      'exec "$@"',
    ].join(" && ");
    const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    const { status, error } = spawnSync(
      "unshare",
      ["--net", "--mount", "--", "sh", "-c", script, hosts, resolvers, ...program],
      { stdio: "inherit", env: { ...process.env, [MARK]: "1" } },
    );
    if (error) return undefined;
    return status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether nothing but loopback can be reached from here. */
export function isAlone(): boolean {
  return process.env[MARK] !== undefined;
}
