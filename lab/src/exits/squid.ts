import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { must } from "../net/run.ts";
import { nodeOf } from "../topology.ts";
import type { ExitOptions, RunningExit } from "./exit.ts";

const PORT = 3128;
const USER = "proxy";

/** Starts the exit in the United States: squid, HTTP forward and CONNECT, Basic credentials. */
export async function startSquid(options: ExitOptions): Promise<RunningExit> {
  const address = nodeOf("exit-us").addresses[0];
  const passwords = join(options.folder, "passwords");
  const configuration = join(options.folder, "squid.conf");
  writeFileSync(passwords, `${options.username}:${await apacheHash(options.password)}\n`);
  writeFileSync(configuration, squidConfiguration(`${address}:${PORT}`, options.folder, passwords));
  // Squid gives up root, and then reads and writes as this user.
  await must(["chown", "-R", USER, options.folder]);
  // The service name keeps apart the shared memory of squids that run at once.
  const service = options.namespace.replaceAll(/[^a-z0-9]/g, "");
  const argv = ["squid", "-N", "-n", service, "-f", configuration];
  const process = new NamespaceProcess(options.namespace, argv, { cwd: options.folder });
  await process.listening(PORT);
  const { username, password } = options;
  return {
    country: "us",
    role: "exit-us",
    program: "squid",
    protocol: "http",
    address,
    port: PORT,
    username,
    password,
    process,
  };
}

function squidConfiguration(listen: string, folder: string, passwords: string): string {
  return [
    `http_port ${listen}`,
    "visible_hostname us.exits.lab.test",
    "pid_filename none",
    `cache_log ${join(folder, "cache.log")}`,
    `access_log stdio:${join(folder, "access.log")} logformat=squid`,
    `coredump_dir ${folder}`,
    `cache_effective_user ${USER}`,
    "cache deny all",
    "cache_mem 8 MB",
    "memory_cache_shared off",
    "shutdown_lifetime 0 seconds",
    "pinger_enable off",
    "via off",
    "forwarded_for delete",
    `auth_param basic program ${BASIC_HELPER} ${passwords}`,
    "auth_param basic children 2 startup=1 idle=1",
    "auth_param basic realm lab",
    "acl known proxy_auth REQUIRED",
    "http_access allow known",
    "http_access deny all",
    "",
  ].join("\n");
}

/** Where Debian puts squid's reader of password files. */
const BASIC_HELPER = "/usr/lib/squid/basic_ncsa_auth";

async function apacheHash(password: string): Promise<string> {
  return (await must(["openssl", "passwd", "-apr1", "-stdin"], { input: `${password}\n` })).trim();
}
