import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../net/run.ts";
import { expectSame, type Program, type ProgramPlace, sites } from "./program.ts";
import { SSH_PORT, sshCommand } from "./ssh.ts";

const PORT = 8083;
const { name } = sites.git;
const COMMITS = 5;
const FILE_BYTES = 2_000_000;

/** Settings of the person who runs the lab have no say. */
const env = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "lab",
  GIT_AUTHOR_EMAIL: "lab@lab.test",
  GIT_COMMITTER_NAME: "lab",
  GIT_COMMITTER_EMAIL: "lab@lab.test",
};

const repository = (folder: string) => join(folder, "git", "work.git");

export const gitOverHttp: Program = {
  name: "git clone over HTTP",
  targets: [`${name}:${PORT}`],
  async serve({ folder, outside }) {
    await makeRepository(folder);
    const program = join(import.meta.dirname, "git-site-program.ts");
    await outside([process.execPath, program, String(PORT), join(folder, "git")]).listening(PORT);
  },
  use: (place) => clone(place, "by-http", `http://${name}:${PORT}/work.git`),
};

/** Needs what `gitOverHttp` and `ssh` start. */
export const gitOverSsh: Program = {
  name: "git clone and push over ssh",
  targets: [`${name}:${SSH_PORT}`],
  async use(place) {
    const cloned = await clone(place, "by-ssh", `ssh://root@${name}:${SSH_PORT}${repository(place.folder)}`);
    const copy = join(place.folder, "by-ssh");
    const git = (...argv: readonly string[]) =>
      place.onMachine(["git", "-C", copy, ...argv], { env: sshEnv(place) });
    await git("commit", "-q", "--allow-empty", "-m", "from the machine");
    await git("push", "-q", "origin", "HEAD");
    const pushed = await headOf(repository(place.folder));
    expectSame("What was pushed", pushed, await headOf(copy));
    return `${cloned}; one pushed`;
  },
};

async function makeRepository(folder: string): Promise<void> {
  const source = join(folder, "git", "source");
  mkdirSync(source, { recursive: true });
  const git = (...argv: readonly string[]) => must(["git", "-C", source, ...argv], { env });
  await git("init", "-q");
  for (let at = 0; at < COMMITS; at++) {
    writeFileSync(join(source, `file-${at}`), randomBytes(FILE_BYTES));
    writeFileSync(join(source, "names"), `${at}\n`);
    await git("add", ".");
    await git("commit", "-q", "-m", `commit ${at}`);
  }
  await must(["git", "clone", "-q", "--bare", source, repository(folder)], { env });
}

async function clone(place: ProgramPlace, into: string, url: string): Promise<string> {
  const copy = join(place.folder, into);
  await place.onMachine(["git", "clone", "-q", url, copy], { env: sshEnv(place) });
  expectSame("The newest commit", await headOf(copy), await headOf(repository(place.folder)));
  await must(["git", "-C", copy, "fsck", "--strict"], { env });
  const count = (await must(["git", "-C", copy, "rev-list", "--count", "HEAD"], { env })).trim();
  return `${count} commits, ${(COMMITS * FILE_BYTES) / 1e6} MB, fsck clean`;
}

async function headOf(folder: string): Promise<string> {
  return (await must(["git", "-C", folder, "rev-parse", "HEAD"], { env })).trim();
}

function sshEnv({ folder }: ProgramPlace): Record<string, string> {
  return { ...env, GIT_SSH_COMMAND: sshCommand(folder), GIT_SSH_VARIANT: "ssh" };
}
