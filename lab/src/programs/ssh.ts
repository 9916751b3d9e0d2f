import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../net/run.ts";
import { expectSame, type Program, type ProgramPlace, sites } from "./program.ts";

export const SSH_PORT = 22;
const FILE_BYTES = 20_000_000;
const { name } = sites.git;

/** `ssh`, for a shell, so that it gets in by the lab's own key, and at no other server than the lab's. */
export function sshCommand(folder: string): string {
  return ["ssh", ...sshOptions(folder)].map((word) => `'${word}'`).join(" ");
}

function sshOptions(folder: string): string[] {
  const own = join(folder, "ssh");
  return [
    ...["-F", "/dev/null", "-i", join(own, "user"), "-p", String(SSH_PORT)],
    ...["-o", `UserKnownHostsFile=${join(own, "known")}`, "-o", "StrictHostKeyChecking=yes"],
    ...["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=30"],
  ];
}

/** A session, and a file there and back; the server speaks first. */
export const ssh: Program = {
  name: "ssh, a command and a file up and down",
  targets: [`${name}:${SSH_PORT}`],
  serve: startServer,
  async use({ onMachine, folder }) {
    const line = `${sshCommand(folder)} root@${name}`;
    expectSame("What the session printed", await onMachine(["sh", "-c", `${line} 'echo here'`]), "here\n");
    const file = join(folder, "ssh", "file");
    const bytes = randomBytes(FILE_BYTES);
    writeFileSync(file, bytes);
    const digest = createHash("sha256").update(bytes).digest("hex");
    const up = await onMachine(["sh", "-c", `${line} sha256sum < '${file}'`]);
    expectSame("What went up", up.split(" ")[0], digest);
    const down = await onMachine(["bash", "-c", `set -o pipefail; ${line} cat '${file}' | sha256sum`]);
    expectSame("What came down", down.split(" ")[0], digest);
    return `a command, and ${FILE_BYTES} bytes up and down with checksums`;
  },
};

async function startServer({ folder, outside }: ProgramPlace): Promise<void> {
  const own = join(folder, "ssh");
  mkdirSync(own, { mode: 0o700 });
  for (const key of ["host", "user"])
    await must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", join(own, key)]);
  writeFileSync(join(own, "known"), `${name} ${readFileSync(join(own, "host.pub"), "utf8")}`);
  writeFileSync(join(own, "sshd_config"), configuration(own));
  const start = join(own, "start");
  // sshd wants a folder in /run: the mounts of a namespace's programs are their own.
  writeFileSync(
    start,
    `#!/bin/sh\nset -e\nmount -t tmpfs tmpfs /run\nmkdir -m 755 /run/sshd\nexec /usr/sbin/sshd -D -e -f '${own}/sshd_config'\n`,
  );
  chmodSync(start, 0o700);
  await outside([start]).listening(SSH_PORT);
}

function configuration(own: string): string {
  return [
    `Port ${SSH_PORT}`,
    `HostKey ${join(own, "host")}`,
    `AuthorizedKeysFile ${join(own, "user.pub")}`,
    "PermitRootLogin prohibit-password",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "UsePAM no",
    // The lab's folder is below /tmp, which everybody may write to.
    "StrictModes no",
    "PidFile none",
    "PrintMotd no",
    "",
  ].join("\n");
}
