import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FirewallOptions } from "./firewall.ts";
import { FirewallError } from "./firewall-error.ts";
import { TABLE } from "./policy.ts";

/** Where `npm run build:native` puts it. */
const built = fileURLToPath(new URL("../../../native/dist/atlantic-fw", import.meta.url));
const PATIENCE_MS = 20_000;

/**
 * Starts the holder as a process that outlives this one, and waits until it listens.
 *
 * @throws FirewallError when it ends instead
 */
export async function startHolder(options: FirewallOptions): Promise<void> {
  const { socket, state, holding, command = [builtProgram()] } = options;
  const [program = "", ...first] = command;
  const watched = holding === "watched" ? ["--watched"] : [];
  const child = spawn(
    program,
    [...first, "--socket", socket, "--state", state, "--table", TABLE, ...watched],
    {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-2_000);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(failure(program, "it is not ready in time")), PATIENCE_MS);
      child.stdout.once("data", () => {
        clearTimeout(late);
        resolve();
      });
      child.once("error", (error) => {
        clearTimeout(late);
        reject(failure(program, error.message));
      });
      child.once("close", (code) => {
        clearTimeout(late);
        reject(failure(program, stderr.trim() || `it ended with ${code}`));
      });
    });
  } finally {
    // From here on it is on its own: what it has to say it says at its socket.
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
}

function builtProgram(): string {
  if (existsSync(built)) return built;
  throw new FirewallError(
    "There is no atlantic-fw, which holds the firewall's rules, so nothing can be blocked. Build it: npm run build:native.",
  );
}

function failure(program: string, reason: string): FirewallError {
  return new FirewallError(
    `${program}, which holds the firewall's rules, cannot be started (${reason}), so nothing can be blocked. ` +
      "It needs CAP_NET_ADMIN and a kernel with nf_tables.",
  );
}
