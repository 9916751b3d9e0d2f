import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { writeEtcFiles } from "../net/namespaces.ts";
import { must } from "../net/run.ts";
import { nodeOf } from "../topology.ts";
import type { ExitOptions, RunningExit } from "./exit.ts";

const PORT = 1080;

/** Starts the exit in Germany: dante, SOCKS5 with a user name and a password (RFC 1929). */
export async function startDante(options: ExitOptions): Promise<RunningExit> {
  const address = nodeOf("exit-de").addresses[0];
  const configuration = join(options.folder, "danted.conf");
  writeFileSync(configuration, danteConfiguration(address));
  await addUser(options);
  const argv = ["danted", "-f", configuration, "-N", "1"];
  const process = new NamespaceProcess(options.namespace, argv);
  await process.listening(PORT);
  const { username, password } = options;
  return {
    country: "de",
    role: "exit-de",
    program: "dante",
    protocol: "socks5",
    address,
    port: PORT,
    username,
    password,
    process,
  };
}

function danteConfiguration(address: string): string {
  return [
    "logoutput: stderr",
    `internal: ${address} port = ${PORT}`,
    `external: ${address}`,
    "socksmethod: username",
    "clientmethod: none",
    "user.privileged: root",
    "user.unprivileged: nobody",
    "client pass {\n from: 0.0.0.0/0 to: 0.0.0.0/0\n log: error\n}",
    "socks pass {\n from: 0.0.0.0/0 to: 0.0.0.0/0\n protocol: tcp\n log: error\n}",
    "",
  ].join("\n");
}

/** Dante knows the users of the system: this one exists only in the /etc that its namespace sees. */
async function addUser({ namespace, username, password }: ExitOptions): Promise<void> {
  const hash = (await must(["openssl", "passwd", "-6", "-stdin"], { input: `${password}\n` })).trim();
  writeEtcFiles(namespace, {
    passwd: [
      "root:x:0:0:root:/root:/bin/sh",
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
      `${username}:x:60000:60000::/nonexistent:/usr/sbin/nologin`,
      "",
    ].join("\n"),
    shadow: `root:*:19000:0:99999:7:::\n${username}:${hash}:19000:0:99999:7:::\n`,
  });
}
