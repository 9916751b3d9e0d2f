import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunCommand, runCommand } from "../system-proxy/run-command.ts";

export interface PrivateDesktop {
  readonly home: string;
  /** Puts a program into this desktop's session. */
  readonly environment: Readonly<Record<string, string>>;
  readonly run: RunCommand;
  /** Runs a program that must succeed, and gives what it printed. */
  readonly say: (program: string, ...words: string[]) => Promise<string>;
  close(): Promise<void>;
}

/** A desktop session of its own: a home, a D-Bus and the settings on it, apart from this machine's. */
export async function startPrivateDesktop(name: "GNOME" | "KDE"): Promise<PrivateDesktop> {
  const home = mkdtempSync(join(tmpdir(), "atl-home-"));
  const own = {
    HOME: home,
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_CACHE_HOME: join(home, ".cache"),
    XDG_DATA_HOME: join(home, ".local/share"),
    XDG_RUNTIME_DIR: join(home, "run"),
    XDG_CURRENT_DESKTOP: name,
  };
  for (const folder of [own.XDG_CONFIG_HOME, own.XDG_RUNTIME_DIR]) mkdirSync(folder, { mode: 0o700 });
  const bus = await startBus(own);
  const environment = { ...own, DBUS_SESSION_BUS_ADDRESS: bus.address };
  const run: RunCommand = (program, words, more) => runCommand(program, words, { ...environment, ...more });
  return {
    home,
    environment,
    run,
    async say(program, ...words) {
      const { code, out, err } = await run(program, words);
      if (code !== 0) throw new Error(`${program} ${words.join(" ")} failed (${code}): ${err}`);
      return out.trimEnd();
    },
    async close() {
      const gone = once(bus.session, "exit");
      // The session ends with the program in it, which reads until its input does.
      bus.session.stdin?.end();
      await gone;
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function startBus(
  environment: Record<string, string>,
): Promise<{ address: string; session: ChildProcess }> {
  const session = spawn(
    "dbus-run-session",
    ["--", "sh", "-c", 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat'],
    {
      env: { ...process.env, ...environment },
      stdio: ["pipe", "pipe", "ignore"],
    },
  );
  let text = "";
  for await (const chunk of session.stdout.setEncoding("utf8")) {
    text += chunk;
    const address = /^(\S+)\n/.exec(text)?.[1];
    if (address !== undefined) return { address, session };
  }
  throw new Error("No D-Bus session could be started.");
}
