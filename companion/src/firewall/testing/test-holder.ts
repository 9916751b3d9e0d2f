import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Firewall, type FirewallOptions, type FirewallTrouble, openFirewall } from "../firewall.ts";
import { runProgram } from "./run-program.ts";

const program = fileURLToPath(new URL("../../../../native/dist/atlantic-fw", import.meta.url));

/** A holder in a namespace of a test, with a folder of its own, and what it has told. */
export class TestHolder {
  readonly folder = mkdtempSync(join(tmpdir(), "firewall-"));
  readonly socket = join(this.folder, "socket");
  readonly state = join(this.folder, "rules");
  readonly command: readonly string[];
  readonly troubles: FirewallTrouble[] = [];
  readonly #namespace: string;
  #heard: () => void = () => {};

  constructor(namespace: string) {
    this.#namespace = namespace;
    this.command = ["nsenter", `--net=/run/netns/${namespace}`, program];
  }

  async open(more: Partial<FirewallOptions> = {}): Promise<Firewall> {
    const { socket, state, command } = this;
    const firewall = await openFirewall({ socket, state, command, ...more });
    firewall.onTrouble((trouble) => {
      this.troubles.push(trouble);
      this.#heard();
    });
    return firewall;
  }

  async told(kind: FirewallTrouble["kind"]): Promise<FirewallTrouble> {
    for (;;) {
      const found = this.troubles.find((each) => each.kind === kind);
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  /** Those that run: their socket is in the folder. */
  async pids(): Promise<number[]> {
    const pids = (await runProgram(["ip", "netns", "pids", this.#namespace])).split("\n").filter(Boolean);
    return pids.map(Number).filter((pid) => commandOf(pid).includes(this.folder));
  }

  /** Kills it, whatever it is at, and removes its folder. The rules stay. */
  async remove(): Promise<void> {
    for (const pid of await this.pids()) process.kill(pid, "SIGKILL");
    rmSync(this.folder, { recursive: true });
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
