import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Open a channel for messages, as `child_process.fork` does; only for Node programs. */
  readonly ipc?: boolean;
  /** Keep its standard input open, for `write`. */
  readonly input?: boolean;
}

/** A program that runs in a namespace until it is stopped. */
export class NamespaceProcess {
  readonly child: ChildProcess;
  readonly #name: string;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<() => void>();
  #stderr = "";

  constructor(namespace: string, argv: readonly string[], options: SpawnOptions = {}) {
    this.#name = argv.join(" ");
    // `ip netns exec` replaces itself by the program, so this child's id is the program's.
    this.child = spawn("ip", ["netns", "exec", namespace, ...argv], {
      env: { ...process.env, ...options.env },
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      stdio: [options.input ? "pipe" : "ignore", "pipe", "pipe", ...(options.ipc ? (["ipc"] as const) : [])],
    });
    this.child.on("error", (error) => {
      this.#stderr += error.message;
    });
    this.child.on("close", () => this.#wake());
    // That it has ended is told by `until`, with its reasons.
    this.child.stdin?.on("error", () => {});
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      // The end of what it says is what explains a failure.
      this.#stderr = (this.#stderr + text).slice(-20_000);
      this.#wake();
    });
    let partial = "";
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (partial + text).split("\n");
      partial = parts.pop() ?? "";
      this.#lines.push(...parts);
      this.#wake();
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.#name} could not be started. ${this.#stderr}`);
    return this.child.pid;
  }

  get running(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The whole lines that it has printed so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Writes to its standard input, which `input` must have kept open. */
  write(text: string): void {
    if (!this.child.stdin) throw new TypeError(`${this.#name} was started without an input`);
    this.child.stdin.write(text);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until `condition` holds, looking again whenever the program says something. Throws when it ends first. */
  async until(condition: () => boolean, what: string, timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      if (!this.running) throw new Error(`${this.#name} ended before ${what}. ${this.#stderr.trim()}`);
      if (Date.now() > deadline)
        throw new Error(`${this.#name}: not ${what} after ${timeoutMs} ms. ${this.#stderr.trim()}`);
      await Promise.race([this.#spoke(), delay(20)]);
    }
  }

  /** Waits until some process in its namespace listens on a TCP port. */
  async listening(port: number): Promise<void> {
    await this.until(() => listensOn(this.pid, port), `listening on port ${port}`);
  }

  /** Waits until some process in its namespace receives on a UDP port. */
  async receiving(port: number): Promise<void> {
    await this.until(() => hasSocket(this.pid, ["udp", "udp6"], "07", port), `receiving on UDP port ${port}`);
  }

  /** Asks it to end, and makes it end when it has not after a while. */
  async stop(signal: NodeJS.Signals = "SIGTERM", patienceMs = 5_000): Promise<void> {
    if (!this.running) return;
    const closed = new Promise<void>((resolve) => this.child.once("close", () => resolve()));
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), patienceMs);
    await closed;
    clearTimeout(timer);
  }

  #spoke(): Promise<void> {
    return new Promise((resolve) => {
      const listener = () => {
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
    });
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Whether a TCP socket in the network namespace of process `pid` listens on `port`. */
export function listensOn(pid: number, port: number): boolean {
  return hasSocket(pid, ["tcp", "tcp6"], "0A", port);
}

/** Whether a table of sockets has one in this state (proc_net_tcp; unconnected UDP has 07) on this local port. */
function hasSocket(pid: number, tables: readonly string[], wanted: string, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return tables.some((table) =>
    readTable(pid, table).some((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      return state === wanted && local?.endsWith(suffix) === true;
    }),
  );
}

function readTable(pid: number, table: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n").slice(1);
  } catch {
    return [];
  }
}
