import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { repository } from "../settings.ts";

/** `npm start` as a person runs it, on free ports and a data directory of its own, for tests. */
export interface Started {
  readonly output: () => string;
  readonly child: ChildProcess;
  /** What the start command printed: the ports and links in it. */
  readonly webUrl: string;
  readonly signInUrl: string;
  readonly gateway: string;
  readonly credential: { readonly username: string; readonly password: string };
  readonly echoUrl: string;
  /** Ctrl-C. @returns the exit code. */
  interrupt(): Promise<number | null>;
}

/** Runs the start command without waiting for it. */
export function runStart(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn("node", [join(repository, "scripts/bootstrap.mjs"), "start", ...argv], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C is sent to a process group, as a terminal does.
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return { child, output: () => output };
}

/** Runs the start command until it says that it is ready. @throws Error with its output when it ends instead. */
export async function startProduct(data: string): Promise<Started> {
  const [web, gateway, proxy] = await freePorts(3);
  const ports = [`--web-port=${web}`, `--gateway-port=${gateway}`, `--proxy-port=${proxy}`];
  const { child, output } = runStart(["--data", data, ...ports]);
  await new Promise<void>((resolve, reject) => {
    const look = () => output().includes("Ctrl-C ends everything.") && resolve();
    child.stdout.on("data", look);
    child.once("exit", () => reject(new Error(`The start command ended:\n${output()}`)));
  });
  try {
    return describe(child, output);
  } catch (error) {
    child.kill("SIGTERM");
    throw error;
  }
}

function describe(child: ChildProcess, output: () => string): Started {
  const credential = find(output(), /-x 'http:\/\/(\w+)-cc-de:(\w+)@/);
  return {
    child,
    output,
    webUrl: find(output(), /Web page +(http\S+)/)[0],
    signInUrl: find(output(), /Sign in +(\S+)/)[0],
    gateway: find(output(), /Gateway +(\S+)/)[0],
    credential: { username: credential[0], password: credential[1] ?? "" },
    echoUrl: find(output(), /(http:\/\/echo\S+?\/)/)[0],
    async interrupt() {
      if (child.pid) process.kill(-child.pid, "SIGINT");
      if (child.exitCode === null) await once(child, "exit");
      return child.exitCode;
    },
  };
}

/** Ports that were free a moment ago, below those that the system gives to outgoing connections. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().listen(port, "127.0.0.1");
    server.once("error", () => resolve(false));
    server.once("listening", () => server.close(() => resolve(true)));
  });
}

function find(text: string, pattern: RegExp): [string, ...string[]] {
  const [, first, ...others] = pattern.exec(text) ?? [];
  if (first === undefined) throw new Error(`The start command printed nothing like ${pattern}:\n${text}`);
  return [first, ...others];
}
