import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ControlClient } from "@atlantic/companion/src/control/control-client.ts";
import { companionPaths } from "@atlantic/companion/src/data-paths.ts";
import type { Endpoint } from "@atlantic/companion/src/firewall/policy.ts";
import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { type ExitFlow, exitFlowSchema } from "../exits/exit-program.ts";
import type { Machine } from "../leaks/machine.ts";
import { upstreamA, upstreamB } from "../leaks/phases.ts";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { kill, processesIn } from "../net/processes.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const daemonProgram = here("../../../companion/src/main.ts");
const proxyProgram = here("../exits/exit-program.ts");

/** Of the upstreams; what they guard is the lab's. */
const credentials = { username: "lab", password: "lab" } as const;

/** As systemd does for the service (Restart=always), only sooner. */
const RESTART_MS = 200;

/** What the daemon speaks to its upstreams; they understand both. */
export type UpstreamProtocol = "socks5" | "connect";

/** A proxy outside. It can be ended, and is started again on the port that it had. */
interface Upstream {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  process: NamespaceProcess;
}

export interface ProtectedMachineOptions {
  readonly protocol?: UpstreamProtocol;
  /** The daemon's program and its arguments; default this checkout's. */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The daemon of this checkout, with options for Node. */
export function daemonOfCheckout(...nodeOptions: readonly string[]): readonly string[] {
  return [process.execPath, ...nodeOptions, daemonProgram];
}

/** The product on the machine under test: the daemon, kept running as systemd would, with two upstreams outside. */
export class ProtectedMachine {
  readonly #machine: Machine;
  readonly #options: ProtectedMachineOptions;
  readonly data: string;
  #daemon: NamespaceProcess | undefined;
  readonly #upstreams: Upstream[] = [];
  readonly #ended = new Set<() => void>();
  #nextStart: readonly string[] = [];
  #closing = false;
  #starts = 0;

  constructor(machine: Machine, options: ProtectedMachineOptions = {}) {
    this.#machine = machine;
    this.#options = options;
    this.data = join(machine.folder, "data");
  }

  /** Starts upstreams and daemon, and connects. Returns when all traffic goes through the tunnel. */
  async start(): Promise<void> {
    for (const [name, site, port] of [
      ["a", upstreamA, 7001],
      ["b", upstreamB, 7002],
    ] as const)
      this.#upstreams.push({ name, address: site[4], port, process: await this.#startUpstream(port) });
    this.#configure();
    this.#startDaemon();
    await this.ready();
    await this.connect();
  }

  /** Asks for protection, as a person does. */
  async connect(): Promise<void> {
    await this.ask((client) => client.request("protection.connect", {}));
  }

  /** Where the daemon may go. */
  get endpoints(): Endpoint[] {
    return this.#upstreams.map(({ address, port }) => ({ address, protocol: "tcp", port }));
  }

  /** Flows that upstreams carried and that have ended, as they count them themselves. */
  flows(): ExitFlow[] {
    return this.#upstreams.flatMap(({ process }) =>
      process.lines.map((line) => exitFlowSchema.parse(JSON.parse(line))),
    );
  }

  /** How often the daemon was started. */
  get starts(): number {
    return this.#starts;
  }

  get daemonPid(): number | undefined {
    return this.#daemon?.running ? this.#daemon.pid : undefined;
  }

  /** The process that holds the rules; undefined while there is none. */
  async holderPid(): Promise<number | undefined> {
    const pids = await processesIn(this.#machine.namespace("machine"));
    return pids.find((pid) => nameOf(pid) === "atlantic-fw");
  }

  /** Waits until the daemon answers. */
  async ready(): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      try {
        await this.view();
        return;
      } catch (cause) {
        if (performance.now() > deadline)
          throw new Error(`The daemon does not answer. ${this.log}`, { cause });
      }
      await delay(50);
    }
  }

  /** The end of what the daemon, since its last start, has said. */
  get log(): string {
    return this.#daemon?.stderr.slice(-2_000) ?? "";
  }

  /** What the daemon says of itself. */
  async view(): Promise<ProtectionView> {
    const { protection } = await this.ask((client) => client.request("status.get", {}));
    if (!protection) throw new Error("The daemon does not protect the machine.");
    return protection;
  }

  /** Asks the daemon something, as the command `atlantic` does. @throws when it does not answer, or dies over it */
  async ask<Answer>(question: (client: ControlClient) => Promise<Answer>): Promise<Answer> {
    const client = await ControlClient.open(companionPaths(this.data).controlSocket, "lab", "0");
    try {
      return await question(client);
    } finally {
      client.close();
    }
  }

  /** Runs the next start of the daemon, and no other, under another program. */
  nextStartUnder(argv: readonly string[]): void {
    this.#nextStart = argv;
  }

  /** Waits until the daemon that runs now has ended; undefined: it had not, after this long. */
  async ends(withinMs: number): Promise<number | undefined> {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const ended = () => resolve(performance.now());
    this.#ended.add(ended);
    const timer = setTimeout(() => resolve(undefined), withinMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#ended.delete(ended);
    }
  }

  /** Ends an upstream. Null: the first. */
  async stopUpstream(name: string | null): Promise<void> {
    const upstream = this.#upstreams.find((each) => each.name === name) ?? this.#upstreams[0];
    await upstream?.process.stop("SIGKILL");
  }

  /** Starts those that were ended, each on its port. */
  async startUpstreams(): Promise<void> {
    for (const upstream of this.#upstreams) {
      if (!upstream.process.running) upstream.process = await this.#startUpstream(upstream.port);
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#daemon?.stop("SIGKILL");
    kill(await this.holderPid(), "SIGKILL");
  }

  async #startUpstream(port: number): Promise<NamespaceProcess> {
    const { username, password } = credentials;
    const argv = [process.execPath, proxyProgram, "::", String(port)];
    const env = { LAB_EXIT_USERNAME: username, LAB_EXIT_PASSWORD: password };
    const started = new NamespaceProcess(this.#machine.namespace("outside"), argv, { env });
    await started.listening(port);
    return started;
  }

  #configure(): void {
    mkdirSync(join(this.data, "companion"), { recursive: true, mode: 0o700 });
    const [first] = this.#upstreams;
    const kind = this.#options.protocol === "connect" ? "http" : "socks5";
    const upstreams = this.#upstreams.map(({ name, address, port }) => ({
      name,
      kind,
      host: address,
      port,
      ...credentials,
    }));
    const config = {
      upstream: {
        kind: "provider",
        provider: kind,
        host: first?.address,
        port: first?.port,
        ...credentials,
      },
      proxyPort: 0,
      protection: { upstreams, validator: { everySeconds: 2 } },
    };
    writeFileSync(join(this.data, "companion", "config.json"), JSON.stringify(config));
  }

  #startDaemon(): void {
    this.#starts += 1;
    const { program = daemonOfCheckout(), env } = this.#options;
    const argv = [...this.#nextStart, ...program];
    this.#nextStart = [];
    const daemon = new NamespaceProcess(this.#machine.namespace("machine"), argv, {
      env: { ATLANTIC_DATA: this.data, ATLANTIC_LOG: "warn", ...env },
    });
    this.#daemon = daemon;
    daemon.child.once("close", () => {
      for (const ended of this.#ended) ended();
      if (!this.#closing) setTimeout(() => !this.#closing && this.#startDaemon(), RESTART_MS);
    });
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
