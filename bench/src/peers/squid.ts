import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "@atlantic/lab/src/net/run.ts";
import { newCredential } from "./credential.ts";
import type { Peer, PeerOptions } from "./peer.ts";
import { freePort, startPinned } from "./pinned-process.ts";

const NOTE = "credentials, no cache, no log";
const USER = "proxy";

/**
 * squid with one worker, Basic credentials by its own helper, no cache and no log.
 * @param settings lines of configuration that go before all others
 */
export async function startSquid(
  { core, originPort, folder }: PeerOptions,
  settings: readonly string[] = ["via off"],
): Promise<Peer> {
  const port = await freePort();
  const credential = newCredential();
  const passwords = join(folder, "passwords");
  const hash = await must(["openssl", "passwd", "-apr1", "-stdin"], { input: `${credential.password}\n` });
  writeFileSync(passwords, `${credential.username}:${hash.trim()}\n`);
  const configuration = join(folder, "squid.conf");
  writeFileSync(configuration, squidConfiguration(port, folder, passwords, settings));
  if (process.getuid?.() === 0) await must(["chown", "-R", USER, folder]);
  const service = `atlbench${process.pid}`;
  const { pid, close } = await startPinned(core, ["squid", "-N", "-n", service, "-f", configuration], port);
  const name = `127.0.0.1:${originPort}`;
  return {
    name: "squid",
    pid,
    ways: {
      forward: { way: { kind: "forward", port, name, credential }, note: NOTE },
      tunnel: { way: { kind: "connect", port, name, credential }, note: NOTE },
    },
    close,
  };
}

function squidConfiguration(
  port: number,
  folder: string,
  passwords: string,
  settings: readonly string[],
): string {
  return [
    ...settings,
    `http_port 127.0.0.1:${port}`,
    "visible_hostname localhost",
    "pid_filename none",
    `cache_log ${join(folder, "cache.log")}`,
    "access_log none",
    `coredump_dir ${folder}`,
    `cache_effective_user ${USER}`,
    "cache deny all",
    "cache_mem 8 MB",
    "memory_cache_shared off",
    "max_filedescriptors 16384",
    "shutdown_lifetime 0 seconds",
    "pinger_enable off",
    "forwarded_for delete",
    `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${passwords}`,
    "auth_param basic children 1 startup=1 idle=1",
    "auth_param basic credentialsttl 2 hours",
    "acl known proxy_auth REQUIRED",
    "http_access allow known",
    "http_access deny all",
    "",
  ].join("\n");
}
