import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { type Ran, runToEnd } from "../../run-to-end.ts";

export type Place = "client" | "upstream" | "origin";

/** Three machines in a row, each a network namespace: the client's only way out is the upstream's link. */
export const addresses = {
  client: { v4: "10.61.1.2", v6: "fd00:61:1::2" },
  upstream: { v4: "10.61.1.1", v6: "fd00:61:1::1", outer4: "10.61.2.1", outer6: "fd00:61:2::1" },
  origin: { v4: "10.61.2.2", v6: "fd00:61:2::2" },
} as const;

/** Whether namespaces can be made here. */
export function canMakeNamespaces(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  try {
    execFileSync("ip", ["netns", "list"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A program in one of the namespaces that prints lines of JSON. */
export class PlacedProgram {
  readonly child: ChildProcess;
  readonly said: Record<string, unknown>[] = [];
  readonly #waiting = new Set<() => void>();
  #stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    let partial = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) this.said.push(JSON.parse(line));
      this.#wake();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-8_000);
    });
    child.on("close", () => this.#wake());
  }

  tell(order: object): void {
    this.child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** The first thing that it said, from the `from`th on, that this holds of. */
  async hears(
    what: string,
    holds: (said: Record<string, unknown>) => boolean,
    from = 0,
    timeoutMs = 60_000,
  ): Promise<Record<string, unknown>> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.said.slice(from).find(holds);
      if (found) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null || Date.now() > deadline) {
        throw new Error(`It did not say ${what}. ${JSON.stringify(this.said.slice(-5))} ${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, 200);
        const waiting = this.#waiting;
        function done(): void {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    }
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.child.once("close", resolve));
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 5_000);
    await closed;
    clearTimeout(timer);
  }

  #wake(): void {
    for (const waiting of [...this.#waiting]) waiting();
  }
}

/** The three namespaces of one test, with names of their own. */
export class Namespaces {
  readonly #id = `atlt-${randomBytes(4).toString("hex")}`;
  readonly #programs: PlacedProgram[] = [];

  constructor() {
    const [client, upstream, origin] = [this.name("client"), this.name("upstream"), this.name("origin")];
    const { client: c, upstream: u, origin: o } = addresses;
    for (const name of [client, upstream, origin]) ip(`netns add ${name}`);
    ip(`link add eth0 netns ${client} type veth peer name inner netns ${upstream}`);
    ip(`link add eth0 netns ${origin} type veth peer name outer netns ${upstream}`);
    const up = (name: string, link: string, v4: string, v6: string): void => {
      ip(`-n ${name} addr add ${v4}/24 dev ${link}`);
      ip(`-n ${name} addr add ${v6}/64 dev ${link} nodad`);
      ip(`-n ${name} link set ${link} up`);
    };
    for (const name of [client, upstream, origin]) ip(`-n ${name} link set lo up`);
    up(client, "eth0", c.v4, c.v6);
    up(upstream, "inner", u.v4, u.v6);
    up(upstream, "outer", u.outer4, u.outer6);
    up(origin, "eth0", o.v4, o.v6);
    ip(`-n ${client} route add default via ${u.v4}`);
    ip(`-n ${client} -6 route add default via ${u.v6}`);
    ip(`-n ${origin} route add default via ${u.outer4}`);
    ip(`-n ${origin} -6 route add default via ${u.outer6}`);
  }

  name(place: Place): string {
    return `${this.#id}-${place}`;
  }

  /** Starts a Node program of this folder, or one with a whole path. */
  start(place: Place, program: string, argv: readonly string[] = []): PlacedProgram {
    const path = fileURLToPath(new URL(program, import.meta.url));
    return this.place(place, [process.execPath, path, ...argv]);
  }

  /** Starts any program. */
  place(place: Place, argv: readonly string[]): PlacedProgram {
    const child = spawn("ip", ["netns", "exec", this.name(place), ...argv], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    const placed = new PlacedProgram(child);
    this.#programs.push(placed);
    return placed;
  }

  /** Runs a program to its end. */
  run(place: Place, argv: readonly string[], { input = "", timeoutMs = 120_000 } = {}): Promise<Ran> {
    return runToEnd(["ip", "netns", "exec", this.name(place), ...argv], { input, timeoutMs });
  }

  async remove(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    for (const place of ["client", "upstream", "origin"] as const) {
      try {
        ip(`netns del ${this.name(place)}`);
      } catch {
        // It was not made.
      }
    }
  }
}

function ip(command: string): void {
  execFileSync("ip", command.split(" "), { stdio: ["ignore", "ignore", "pipe"] });
}
