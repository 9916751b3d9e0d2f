import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A Postgres cluster of its own, on a Unix socket in a fresh directory, for the length of a test. */
export interface TemporaryPostgres {
  /** Creates an empty database and returns its connection string. */
  createDatabase(): Promise<string>;
  /** Stops the cluster at once and removes its files. */
  stop(): Promise<void>;
}

/**
 * Starts a temporary Postgres from Debian's packages (/usr/lib/postgresql/VERSION/bin), or from PATH elsewhere.
 * Postgres refuses to run as root, so root runs it as the user postgres.
 *
 * @throws when no Postgres is installed or it does not come up.
 */
export async function startTemporaryPostgres(): Promise<TemporaryPostgres> {
  const bin = await binaries();
  const owner = await clusterOwner();
  const directory = await mkdtemp(join(tmpdir(), "atlantic-pg-"));
  if (owner.uid !== undefined) await chown(directory, owner.uid, owner.gid);
  const data = join(directory, "data");
  await run(
    join(bin, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
    { ...owner, cwd: directory },
  );
  const server = spawn(join(bin, "postgres"), ["-D", data, "-k", directory, "-h", "", "-F"], {
    ...owner,
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  await accepting(server);
  let created = 0;
  return {
    createDatabase: async () => {
      const name = `test_${++created}`;
      await run(join(bin, "createdb"), ["-h", directory, "-U", "postgres", name], {
        ...owner,
        cwd: directory,
      });
      return `postgresql:///${name}?host=${encodeURIComponent(directory)}&user=postgres`;
    },
    stop: async () => {
      await stop(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function binaries(): Promise<string> {
  const root = "/usr/lib/postgresql";
  const versions = (await readdir(root).catch(() => [])).map(Number).filter(Number.isInteger);
  return versions.length === 0 ? "" : join(root, String(Math.max(...versions)), "bin");
}

async function clusterOwner(): Promise<{ uid: number; gid: number } | { uid?: never; gid?: never }> {
  if (process.getuid?.() !== 0) return {};
  const id = async (flag: string) => Number((await run("id", [flag, "postgres"])).stdout);
  return { uid: await id("-u"), gid: await id("-g") };
}

async function accepting(server: ChildProcess): Promise<void> {
  let log = "";
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on("data", (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes("ready to accept connections")) resolve();
    });
    server.once("exit", () => reject(new Error(`Postgres did not start: ${log}`)));
    server.once("error", reject);
  });
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  // Postgres's immediate shutdown: it ends its own children, which SIGKILL would leave behind.
  server.kill("SIGQUIT");
  await exited;
}
