import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { listensOn } from "@atlantic/lab/src/net/namespace-process.ts";
import { pinned } from "../measure/pinned.ts";

/** A program on one core that listens on a port. */
export interface PinnedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  close(): Promise<void>;
}

/** Starts a program and waits until it listens. Throws with what it said when it ends before that. */
export async function startPinned(
  core: number | null,
  argv: readonly [string, ...string[]],
  port: number,
  env: Readonly<Record<string, string>> = {},
): Promise<PinnedProcess> {
  const child = spawn(...pinned(core, argv), {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${argv[0]} could not be started.`);
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-5000);
  });
  const deadline = Date.now() + 30_000;
  while (!listensOn(pid, port)) {
    if (child.exitCode !== null) throw new Error(`${argv[0]} ended before it listened: ${said.trim()}`);
    if (Date.now() > deadline)
      throw new Error(`${argv[0]} did not listen on ${port} in 30 s: ${said.trim()}`);
    await delay(20);
  }
  return { child, pid, close: () => endProcess(child) };
}

/** Asks a process to end, and makes it when it does not within 10 s. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await gone;
  clearTimeout(timer);
}

/** A port that was free a moment ago, for programs that cannot be given port 0. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("There is no free port.");
  return address.port;
}
