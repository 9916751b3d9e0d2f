import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { ClearError } from "../clear-error.ts";
import { type DesktopStore, OWN_NAMES, type ProxyAddress } from "./desktop-store.ts";
import { editKioslaverc, FILE_NAME, GROUP_NAME, readKioslaverc } from "./kioslaverc.ts";
import type { RunCommand } from "./run-command.ts";

/** KDE Plasma: kioslaverc, edited in place, and a word to the programs that are open. Values are whole lines. */
export function kdeStore(run: RunCommand, environment: NodeJS.ProcessEnv = process.env): DesktopStore {
  const path = join(environment.XDG_CONFIG_HOME || join(homedir(), ".config"), "kioslaverc");
  return {
    kind: "kde",
    name: "KDE",
    async read() {
      const { values, locked } = readKioslaverc(await textOf(path));
      if (locked) throw new ClearError("KDE's proxy settings are locked by this computer's administrator.");
      return values;
    },
    wanted: wantedLines,
    async write(values) {
      await replace(path, editKioslaverc(await textOf(path), values));
      // Without it only programs started from now on notice, which is no reason to undo anything.
      await run("dbus-send", [
        "--type=signal",
        "/KIO/Scheduler",
        "org.kde.KIO.Scheduler.reparseSlaveConfiguration",
        "string:",
      ]);
    },
  };
}

/** `ProxyType` comes last, as the switch that it is; 1 is "manually specified". */
function wantedLines({ host, port }: ProxyAddress): Map<string, string> {
  const lines = {
    httpProxy: `http://${host} ${port}`,
    httpsProxy: `http://${host} ${port}`,
    ftpProxy: "",
    socksProxy: `socks://${host} ${port}`,
    NoProxyFor: OWN_NAMES.join(","),
    ReversedException: "false",
    AuthMode: "0",
    ProxyType: "1",
  };
  return new Map([
    [FILE_NAME, ""],
    [GROUP_NAME, ""],
    ...Object.entries(lines).map(([key, value]): [string, string] => [key, `${key}=${value}`]),
  ]);
}

async function textOf(path: string): Promise<string | null> {
  try {
    // Latin-1 gives every byte back as it was, whatever the file holds.
    return await readFile(path, "latin1");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw new ClearError(`${path} cannot be read: check its owner and its permissions.`, { cause });
  }
}

/** Whole or not at all; where the path is a link, as some people keep their settings, what it leads to. */
async function replace(path: string, text: string | null): Promise<void> {
  try {
    const target = await realpath(path).catch(() => path);
    if (text === null) return await rm(target, { force: true });
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const mode = await stat(target).then(
      (found) => found.mode & 0o777,
      () => 0o600,
    );
    const beside = `${target}.${process.pid}.new`;
    await writeFile(beside, text, { encoding: "latin1", mode, flush: true });
    await rename(beside, target);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ClearError(`${path} cannot be written: ${why}.`, { cause });
  }
}
