import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Endpoint } from "@atlantic/companion/src/firewall/policy.ts";
import { protectionViewSchema } from "@atlantic/shared/control/protection.ts";
import { z } from "zod";
import { type ExitFlow, exitFlowSchema } from "../exits/exit-program.ts";
import type { Machine } from "../leaks/machine.ts";
import { upstreamA, upstreamB } from "../leaks/phases.ts";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { must, run } from "../net/run.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const daemonProgram = here("../../../companion/src/main.ts");
const command = here("../../../companion/src/cli/main.ts");
const proxyProgram = here("../exits/exit-program.ts");

/** Of the upstreams; what they guard is the lab's. */
const credentials = { username: "lab", password: "lab" } as const;

/** As systemd does for the service (Restart=always), only sooner. */
const RESTART_MS = 200;

/** What the daemon speaks to its upstreams; they understand both. */
export type UpstreamProtocol = "socks5" | "connect";

/** Two proxies outside. Each can be ended, and is started again on the port that it had. */
interface Upstream {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  process: NamespaceProcess;
}

/** The product on the machine under test: the daemon, kept running as systemd would, with two upstreams outside. */
export class ProtectedMachine {
  readonly #machine: Machine;
  readonly #protocol: UpstreamProtocol;
  readonly data: string;
  #daemon: NamespaceProcess | undefined;
  readonly #upstreams: Upstream[] = [];
  #closing = false;
  #starts = 0;

  constructor(machine: Machine, protocol: UpstreamProtocol = "socks5") {
    this.#machine = machine;
    this.#protocol = protocol;
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
    await this.connect();
  }

  /** Asks for protection, as a person does. */
  async connect(): Promise<void> {
    await this.#ready();
    await this.#atlantic("connect");
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
    const { stdout } = await run(["ip", "netns", "pids", this.#machine.namespace("machine")]);
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map(Number)
      .find((pid) => nameOf(pid) === "atlantic-fw");
  }

  async #ready(): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (performance.now() < deadline) {
      if (await this.#answers()) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`The daemon does not answer. ${this.#daemon?.stderr.slice(-2_000) ?? ""}`);
  }

  /** What the daemon says of itself. */
  async view(): Promise<z.infer<typeof protectionViewSchema>> {
    const status = z.object({ protection: protectionViewSchema }).parse(await this.#atlantic("status"));
    return status.protection;
  }

  /** Ends the first upstream and starts it again on its port. */
  async restartUpstream(): Promise<void> {
    const [first] = this.#upstreams;
    if (!first) throw new Error("There is no upstream yet.");
    await first.process.stop("SIGKILL");
    first.process = await this.#startUpstream(first.port);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#daemon?.stop("SIGKILL");
    const holder = await this.holderPid();
    if (holder !== undefined) process.kill(holder, "SIGKILL");
  }

  get #node(): string {
    return process.execPath;
  }

  async #startUpstream(port: number): Promise<NamespaceProcess> {
    const { username, password } = credentials;
    const argv = [this.#node, proxyProgram, "::", String(port)];
    const env = { LAB_EXIT_USERNAME: username, LAB_EXIT_PASSWORD: password };
    const started = new NamespaceProcess(this.#machine.namespace("outside"), argv, { env });
    await started.listening(port);
    return started;
  }

  #configure(): void {
    mkdirSync(join(this.data, "companion"), { recursive: true, mode: 0o700 });
    const [first] = this.#upstreams;
    const kind = this.#protocol === "socks5" ? "socks5" : "http";
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
    const env = { ATLANTIC_DATA: this.data, ATLANTIC_LOG: "warn" };
    const daemon = new NamespaceProcess(this.#machine.namespace("machine"), [this.#node, daemonProgram], {
      env,
    });
    this.#daemon = daemon;
    daemon.child.once("close", () => {
      if (!this.#closing) setTimeout(() => !this.#closing && this.#startDaemon(), RESTART_MS);
    });
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#atlantic("status");
      return true;
    } catch {
      return false;
    }
  }

  async #atlantic(...words: string[]): Promise<unknown> {
    const inside = ["ip", "netns", "exec", this.#machine.namespace("machine")];
    const argv = [...inside, this.#node, command, "--json", ...words];
    return JSON.parse(await must(argv, { env: { ATLANTIC_DATA: this.data } }));
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
