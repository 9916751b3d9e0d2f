import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import type { PeerCredentials } from "@atlantic/native";
import { ControlFailure } from "../control/control-failure.ts";

/** What polkit calls it; the policy file that installation puts in place says who must prove what. */
export const RELEASE_ACTION = "org.atlantic_proxy.release";

/** A person may take a while to type a password. */
const TIMEOUT_MS = 120_000;
const NOT_AUTHORIZED = 1;
const CHALLENGE = 2;
const DISMISSED = 3;

/** Runs a program to its end. */
export type RunProgram = (program: string, argv: readonly string[]) => Promise<{ readonly code: number }>;

/**
 * Asks the operating system whether this process may release the machine: root may, of others polkit asks the person.
 * @throws ControlFailure when it may not, or nobody could be asked
 */
export async function askPolkit(peer: PeerCredentials | null, run: RunProgram = runProgram): Promise<void> {
  if (peer?.uid === 0) return;
  if (peer === null) throw denied("the system cannot say who asks");
  const subject = `${peer.pid},${startTime(peer.pid)},${peer.uid}`;
  const { code } = await run("pkcheck", [
    "--action-id",
    RELEASE_ACTION,
    "--process",
    subject,
    "--allow-user-interaction",
  ]).catch(() => {
    throw denied("polkit is not there to be asked");
  });
  if (code === 0) return;
  if (code === DISMISSED) throw denied("the question was dismissed");
  if (code === NOT_AUTHORIZED || code === CHALLENGE) throw denied("the system does not allow it to you");
  throw denied("polkit could not be asked");
}

function denied(why: string): ControlFailure {
  return new ControlFailure("not_allowed", `This opens the machine, and ${why}: use sudo.`);
}

/**
 * When a process began, in clock ticks since boot: with it, another process that was given the same number later is not
 * taken for this one (proc(5), field 22).
 */
function startTime(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name, in brackets, may hold spaces and brackets itself.
    const start = text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
    if (start !== undefined) return start;
  } catch {
    // It has ended.
  }
  throw denied("who asked has gone");
}

function runProgram(program: string, argv: readonly string[]): Promise<{ readonly code: number }> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, [...argv], { timeout: TIMEOUT_MS }, (error) => {
      if (error && typeof error.code !== "number") reject(error);
      else resolve({ code: child.exitCode ?? 1 });
    });
  });
}
