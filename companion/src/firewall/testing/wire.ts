import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { runProgram } from "./run-program.ts";

const probeProgram = fileURLToPath(new URL("./probe.py", import.meta.url));

export interface Probe {
  readonly kind: "tcp" | "udp" | "icmp" | "frame";
  readonly to: string;
  readonly port: number;
  readonly mark?: number;
  /** Bind to it; for a frame the link that it is written to. */
  readonly device?: string;
  readonly vlan?: boolean;
  readonly bypass?: boolean;
  /** The protocol that a frame is said to have, whatever is in it. */
  readonly claims?: number;
}

export const CLIENT4 = "192.0.2.1";
export const PEER4 = "192.0.2.2";
export const PEER6 = "2001:db8::2";

export interface Flood {
  /** @returns how many packets it tried to send */
  stop(): Promise<number>;
}

/** A machine and what is outside of it, each in a network namespace of its own, joined by one link. */
export class Wire {
  readonly client: string;
  readonly peer: string;
  readonly #namespaces: string[] = [];
  readonly #watchers: Watcher[] = [];

  private constructor(name: string) {
    this.client = `${name}c`;
    this.peer = `${name}p`;
  }

  static async make(): Promise<Wire> {
    const wire = new Wire(`fw${process.pid}-${randomBytes(3).toString("hex")}`);
    await wire.addNamespace(wire.client);
    await wire.addNamespace(wire.peer);
    await wire.join("eth0", wire.peer, "eth0");
    await wire.inClient(
      `ip addr add ${CLIENT4}/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad
       ip route add default via ${PEER4}; ip route add default via ${PEER6}`,
    );
    await wire.inPeer(
      `ip addr add ${PEER4}/24 dev eth0; ip addr add 203.0.113.7/32 dev lo; ip addr add ${PEER6}/64 dev eth0 nodad
       ip addr add 2001:db8:7::7/128 dev lo`,
    );
    return wire;
  }

  async addNamespace(name: string): Promise<void> {
    await runProgram(["ip", "netns", "add", name]);
    this.#namespaces.push(name);
    await runProgram(["ip", "-netns", name, "link", "set", "lo", "up"]);
  }

  /** Makes a link from the client to another namespace. */
  async join(link: string, namespace: string, theirs: string): Promise<void> {
    await this.inClient(
      `ip link add ${link} type veth peer name ${theirs} netns ${namespace}; ip link set ${link} up`,
    );
    await runProgram(["ip", "-netns", namespace, "link", "set", theirs, "up"]);
  }

  inClient(script: string, input = ""): Promise<string> {
    return inNamespace(this.client, script, input);
  }

  inPeer(script: string): Promise<string> {
    return inNamespace(this.peer, script);
  }

  /**
   * Sends all probes from a namespace, default the client's, and waits until everything has come that was sent.
   *
   * @param group the folder of the control group that the sending program is in, default this one's
   * @returns the probes that came to the peer, by their place in the list
   */
  async seen(probes: readonly Probe[], from = this.client, group?: string): Promise<Set<number>> {
    const watcher = await this.#watcher();
    watcher.forget();
    await this.#send(
      from,
      probes.map((probe, id) => ({ ...probe, id })),
      group,
    );
    await this.#send(this.client, [{ kind: "end", device: "eth0" }]);
    return watcher.untilEnd();
  }

  /** Sends UDP from the client to an address as fast as it can, until it is stopped. */
  async flood(to: string, port: number): Promise<Flood> {
    const argv = ["netns", "exec", this.client, "python3", probeProgram, "flood", to, `${port}`];
    const child = spawn("ip", argv, { stdio: ["pipe", "pipe", "inherit"] });
    const lines: string[] = [];
    const closed = new Promise((resolve) => child.once("close", resolve));
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        lines.push(...text.trim().split("\n"));
        resolve();
      });
    });
    const stop = async () => {
      child.stdin.end("\n");
      await closed;
      return Number(lines.at(-1));
    };
    return { stop };
  }

  async remove(): Promise<void> {
    for (const watcher of this.#watchers) await watcher.stop();
    for (const name of this.#namespaces) await runProgram(["ip", "netns", "delete", name]);
  }

  async #send(namespace: string, probes: readonly object[], group?: string): Promise<void> {
    const program = ["ip", "netns", "exec", namespace, "python3", probeProgram, "send"];
    const joined = ["sh", "-euc", 'echo $$ > "$0/cgroup.procs"; exec "$@"', `${group}`, ...program];
    await runProgram(group === undefined ? program : joined, JSON.stringify(probes));
  }

  async #watcher(): Promise<Watcher> {
    const [known] = this.#watchers;
    if (known) return known;
    const watcher = new Watcher(this.peer);
    this.#watchers.push(watcher);
    await watcher.until("ready");
    return watcher;
  }
}

function inNamespace(namespace: string, script: string, input = ""): Promise<string> {
  return runProgram(["ip", "netns", "exec", namespace, "sh", "-euc", script], input);
}

class Watcher {
  readonly #child: ChildProcess;
  #lines: string[] = [];
  #wake: () => void = () => {};

  constructor(namespace: string) {
    const child = spawn("ip", ["netns", "exec", namespace, "python3", probeProgram, "watch", "eth0"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    let partial = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const parts = (partial + text).split("\n");
      partial = parts.pop() ?? "";
      this.#lines.push(...parts);
      this.#wake();
    });
    child.once("close", () => this.#wake());
  }

  forget(): void {
    this.#lines = [];
  }

  async until(line: string): Promise<void> {
    while (!this.#lines.includes(line)) {
      if (this.#child.exitCode !== null) throw new Error("The watching program ended.");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async untilEnd(): Promise<Set<number>> {
    await this.until("end");
    return new Set(this.#lines.filter((line) => line !== "end").map(Number));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await closed;
  }
}
