import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type FrameCapture, startFrameCapture } from "../capture/frame-capture.ts";
import { labFolder, nextLabPrefix } from "../lab-name.ts";
import { Prober } from "../leaks/prober.ts";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { removeLeftovers, removeNamespaces } from "../net/namespaces.ts";
import { type Finished, must, run } from "../net/run.ts";
import { makeBootGroup, removeBootGroup } from "./boot-group.ts";
import { type BootRole, makeOutside, marker, outsideLink, plugMachine, unplugMachine } from "./boot-links.ts";
import { nameFrames, type Observed, upstream } from "./observed.ts";
import { sentLog, writeAdditions } from "./system-additions.ts";

/** Where the outside echoes what it is told: the sender's ports, and one that only `carries` asks. */
const echoes = [53, 443, 1337] as const;
const ASKED = `100.100.1.1:${echoes[2]}`;
const PATIENCE_MS = 60_000;

/** A machine with files of its own, one network link, and systemd as its process 1. */
export class BootMachine {
  readonly folder: string;
  readonly #prefix: string;
  readonly #group: string;
  #capture: FrameCapture | undefined;
  #upstream: NamespaceProcess | undefined;
  #system: NamespaceProcess | undefined;
  #roundsRead = 0;

  private constructor(prefix: string) {
    this.#prefix = prefix;
    this.folder = labFolder(prefix);
    this.#group = makeBootGroup(`${prefix}-boot`);
  }

  /**
   * Makes one, switched off. It must be closed; what a killed process leaves, the next lab removes.
   * @param product the Debian package that it shall have at hand
   */
  static async build(product: string): Promise<BootMachine> {
    await removeLeftovers();
    const machine = new BootMachine(nextLabPrefix());
    try {
      await machine.#build(product);
      return machine;
    } catch (error) {
      await machine.close();
      throw error;
    }
  }

  async #build(product: string): Promise<void> {
    const [layer, additions] = [join(this.folder, "layer"), join(this.folder, "additions")];
    for (const folder of [layer, join(this.folder, "root"), join(this.folder, "groups")])
      mkdirSync(folder, { recursive: true });
    writeAdditions(additions, product);
    await must(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", layer]);
    for (const folder of ["upper", "work"]) mkdirSync(join(layer, folder));
    await makeOutside(this.#namespace);
    const outside = this.#namespace("outside");
    const file = join(this.folder, "outside.pcap");
    this.#capture = await startFrameCapture({
      namespace: outside,
      link: outsideLink,
      filter: "",
      file,
      marker,
    });
    const { username, password, port } = upstream;
    const program = join(import.meta.dirname, "../exits/exit-program.ts");
    this.#upstream = new NamespaceProcess(outside, [process.execPath, program, "::", String(port)], {
      env: { LAB_EXIT_USERNAME: username, LAB_EXIT_PASSWORD: password },
    });
    await this.#upstream.listening(port);
    await (await Prober.start(outside)).serve(echoes);
  }

  /** Switches it on. Returns when process 1 runs. */
  async boot(): Promise<void> {
    await plugMachine(this.#namespace);
    const spaces = ["--mount", "--propagation=private", "--uts", "--ipc", "--cgroup", "--pid", "--fork"];
    const program = join(import.meta.dirname, "boot-system.sh");
    const groups = join(this.folder, "groups");
    // `ip netns exec` hides the control groups, for it has a /sys of its own.
    const begin = [
      `mount -t cgroup2 cgroup2 ${groups}`,
      `echo $$ > ${join(groups, basename(this.#group))}/cgroup.procs`,
      `umount ${groups}`,
      `exec unshare ${spaces.join(" ")} --kill-child sh ${program} ${this.folder}`,
    ];
    const system = new NamespaceProcess(this.#namespace("machine"), ["sh", "-c", begin.join(" && ")]);
    this.#system = system;
    await system.until(() => this.#firstPid() !== undefined, "systemd being process 1");
  }

  /** Waits until all units have started that start at boot. @returns systemd's word: running, or degraded */
  async booted(): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      // It says nothing before systemd listens.
      const state = (await this.run("systemctl", "is-system-running", "--wait")).stdout.trim();
      if (state !== "" && state !== "offline") return state;
      if (performance.now() > deadline)
        throw new Error("systemd does not say that it has started everything.");
      await delay(20);
    }
  }

  /** Tells it to go down and waits until process 1 has ended. */
  async goDown(how: "reboot" | "poweroff"): Promise<void> {
    const system = this.#system;
    if (!system) throw new Error("The machine is off.");
    // The command may be killed by what it asks for.
    await this.run("systemctl", how);
    const deadline = performance.now() + PATIENCE_MS;
    while (system.running) {
      if (performance.now() > deadline) throw new Error(`After "systemctl ${how}" process 1 did not end.`);
      await delay(20);
    }
    this.#system = undefined;
    await unplugMachine(this.#namespace);
  }

  /** Runs a program on the machine, as root. */
  run(...argv: readonly string[]): Promise<Finished> {
    const spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"];
    const env = ["env", "-i", "HOME=/root", "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
    return run(["nsenter", `--target=${this.pid}`, ...spaces, ...env, ...argv], { timeoutMs: 120_000 });
  }

  /** The same; it must succeed. @returns what it printed */
  async must(...argv: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...argv);
    if (code !== 0) throw new Error(`${argv.join(" ")} failed (${code}): ${(stderr + stdout).trim()}`);
    return stdout;
  }

  /** Process 1's id, as the lab sees it. */
  get pid(): number {
    const pid = this.#firstPid();
    if (pid === undefined) throw new Error(`The machine is off. ${this.#system?.stderr ?? ""}`);
    return pid;
  }

  /** What came out since the last call. @throws Error when the capture is not whole */
  async observe(): Promise<Observed> {
    if (!this.#capture) throw new Error("Nothing is captured.");
    const named = nameFrames(await this.#capture.segment());
    const all = this.#rounds();
    const rounds = all - this.#roundsRead;
    this.#roundsRead = all;
    return { ...named, rounds };
  }

  /** Ends the capture. @throws Error when the kernel dropped any frame: then nothing is shown */
  async endCapture(): Promise<void> {
    await this.#capture?.stop();
  }

  /** Whether an ordinary user's connection is answered, and the upstream says that it carried it. */
  async carries(): Promise<boolean> {
    const before = this.#carried();
    const [host, port] = ASKED.split(":");
    const ask = `exec 3<>/dev/tcp/${host}/${port} && echo hello >&3 && timeout 3 head -c 5 <&3`;
    const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const { stdout } = await this.run(...user, "timeout", "5", "bash", "-c", ask);
    for (let tries = 0; stdout === "hello" && tries < 100; tries++) {
      if (this.#carried() > before) return true;
      await delay(20);
    }
    return false;
  }

  async close(): Promise<void> {
    await removeNamespaces(this.#prefix);
    await this.#system?.stop("SIGKILL");
    if (existsSync(this.#group)) removeBootGroup(this.#group);
  }

  readonly #namespace = (role: BootRole): string => `${this.#prefix}-${role}`;

  /** The child of `unshare`, once it is systemd. */
  #firstPid(): number | undefined {
    const outer = this.#system;
    if (!outer?.running) return undefined;
    const pid = Number(read(`/proc/${outer.pid}/task/${outer.pid}/children`).split(" ")[0]);
    return pid > 0 && read(`/proc/${pid}/comm`).trim() === "systemd" ? pid : undefined;
  }

  #rounds(): number {
    return read(join(this.folder, "layer/upper", sentLog)).split("\n").length;
  }

  #carried(): number {
    return this.#upstream?.lines.filter((line) => line.includes(`"${ASKED}"`)).length ?? 0;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
