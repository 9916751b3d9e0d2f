import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import type { Ran } from "../../run-to-end.ts";
import { addresses, Namespaces, type PlacedProgram } from "../../tunnel/testing/namespaces.ts";

const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
const command = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** A machine with the daemon on it, two upstreams, and a site behind them, each in a namespace. */
export class ProtectedMachine {
  readonly namespaces: Namespaces;
  readonly upstreams: { readonly a: PlacedProgram; readonly b: PlacedProgram };
  readonly ports: { readonly a: number; readonly b: number };
  readonly sitePort: number;
  daemon: ChildProcess | undefined;
  readonly #data = mkdtempSync(join(tmpdir(), "atl-protect-"));

  private constructor(
    namespaces: Namespaces,
    upstreams: { readonly a: PlacedProgram; readonly b: PlacedProgram },
    ports: { readonly a: number; readonly b: number },
    sitePort: number,
  ) {
    this.namespaces = namespaces;
    this.upstreams = upstreams;
    this.ports = ports;
    this.sitePort = sitePort;
  }

  /** Nothing is connected yet. @param filtering the filter lists that come with the program are loaded */
  static async start({ filtering }: { readonly filtering: boolean }): Promise<ProtectedMachine> {
    const namespaces = new Namespaces();
    const upstream = () => namespaces.start("upstream", "upstream-program.ts");
    const upstreams = { a: upstream(), b: upstream() };
    const origin = namespaces.start("origin", "origin-program.ts");
    const { http } = await origin.hears("its ports", (said) => "http" in said);
    const portOf = async (each: PlacedProgram) =>
      Number((await each.hears("its ports", (said) => "socks5" in said)).socks5);
    const ports = { a: await portOf(upstreams.a), b: await portOf(upstreams.b) };
    const machine = new ProtectedMachine(namespaces, upstreams, ports, Number(http));
    machine.#writeConfig(filtering);
    await machine.startDaemon();
    return machine;
  }

  get site(): string {
    return `http://${addresses.origin.v4}:${this.sitePort}/`;
  }

  /** Resolves when it may be spoken to. */
  async startDaemon(): Promise<void> {
    const argv = ["netns", "exec", this.namespaces.name("client"), process.execPath, main];
    const child = spawn("ip", argv, {
      env: { ...process.env, ATLANTIC_DATA: this.#data },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.daemon = child;
    const [message] = await once(child, "message");
    if (!message || typeof message !== "object" || message.kind !== "ready") {
      throw new Error(`The daemon is not ready: ${JSON.stringify(message)}`);
    }
  }

  async killDaemon(): Promise<void> {
    const { daemon } = this;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    daemon.kill("SIGKILL");
    await once(daemon, "exit");
  }

  /** Every process on the machine: the daemon, and what it left running. */
  processes(): number[] {
    const text = execFileSync("ip", ["netns", "pids", this.namespaces.name("client")], { encoding: "utf8" });
    return text.split("\n").filter(Boolean).map(Number);
  }

  run(argv: readonly string[]): Promise<Ran> {
    return this.namespaces.run("client", argv);
  }

  /** What the command answers. @throws Error with what it said when it failed */
  async atlantic(...words: string[]): Promise<ProtectionView> {
    const argv = ["env", `ATLANTIC_DATA=${this.#data}`, process.execPath, command, "--json", ...words];
    const { code, stdout, stderr } = await this.run(argv);
    if (code !== 0) throw new Error(`atlantic ${words.join(" ")}: ${stderr}`);
    return JSON.parse(stdout);
  }

  async protection(): Promise<ProtectionView> {
    return Reflect.get(await this.atlantic("status"), "protection");
  }

  async until(holds: (view: ProtectionView) => boolean): Promise<ProtectionView> {
    for (let tries = 0; tries < 200; tries++) {
      const view = await this.protection();
      if (holds(view)) return view;
      await delay(100);
    }
    throw new Error(`It did not come to that: ${JSON.stringify(await this.protection())}`);
  }

  /** Loads rules at the upstreams' machine. */
  async rulesOutside(text: string): Promise<void> {
    const { code, stderr } = await this.namespaces.run("upstream", ["nft", "-f", "-"], { input: text });
    if (code !== 0) throw new Error(stderr);
  }

  async remove(): Promise<void> {
    await this.killDaemon();
    for (const pid of this.processes()) process.kill(pid, "SIGKILL");
    await this.namespaces.remove();
    rmSync(this.#data, { recursive: true, force: true });
  }

  #writeConfig(filtering: boolean): void {
    const host = addresses.upstream.v4;
    const { a, b } = this.ports;
    const upstream = (name: string, port: number) => ({ name, port, kind: "socks5", host });
    mkdirSync(join(this.#data, "companion"), { recursive: true });
    writeFileSync(
      join(this.#data, "companion", "config.json"),
      JSON.stringify({
        upstream: { kind: "provider", provider: "socks5", host, port: a },
        proxyPort: 0,
        filtering,
        protection: {
          upstreams: [upstream("a", a), upstream("b", b)],
          validator: { everySeconds: 1 },
        },
      }),
    );
  }
}
