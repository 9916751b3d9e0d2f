import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";

interface Setting {
  readonly name: string;
  readonly value: number;
  readonly isEnough: (value: number) => boolean;
}

const settings: readonly Setting[] = [
  // Nobody on another link is told where the tunnel's addresses are.
  { name: "ipv4/conf/all/arp_ignore", value: 2, isEnough: (value) => value >= 2 },
  // Packets are checked by the way that those with their mark go.
  { name: "ipv4/conf/all/src_valid_mark", value: 1, isEnough: (value) => value >= 1 },
  // All flows of the machine go to one address of one upstream: its ports must be free again before a minute is over.
  // RFC 6191 says when that is safe.
  { name: "ipv4/tcp_tw_reuse", value: 1, isEnough: (value) => value === 1 },
  // And all are redirected to one port: a flow that is over must not keep its pair of ports for two minutes.
  { name: "netfilter/nf_conntrack_tcp_timeout_time_wait", value: 5, isEnough: (value) => value <= 5 },
];

const fileSchema = z.strictObject({
  /** The kernel's name for the boot that it was in: another one begins with its own settings. */
  boot: z.string(),
  before: z.record(z.string(), z.number()),
});

/** Settings of the kernel that are changed while there is a tunnel. They are not what keeps anything in. */
export class KernelSettings {
  readonly #file: string | undefined;
  readonly #before: Map<string, number>;

  /**
   * @param file where is kept what they were before, for who comes after this process was killed. Left out: they take
   *   what it leaves for what was there.
   */
  constructor(file?: string) {
    this.#file = file;
    this.#before = new Map(Object.entries(file === undefined ? {} : keptIn(file)));
  }

  /** Idempotent: some are there only once the firewall is. */
  set(): void {
    for (const { name, value, isEnough } of settings) {
      const now = readSetting(name);
      if (now === undefined || isEnough(now)) continue;
      if (!this.#before.has(name)) {
        this.#before.set(name, now);
        this.#keep();
      }
      if (!writeSetting(name, value)) this.#before.delete(name);
    }
  }

  /** Puts back what nobody else has changed since. */
  putBack(): void {
    for (const { name, value } of settings) {
      const before = this.#before.get(name);
      if (before !== undefined && readSetting(name) === value) writeSetting(name, before);
    }
    this.#before.clear();
    if (this.#file !== undefined) rmSync(this.#file, { force: true });
  }

  #keep(): void {
    if (this.#file === undefined) return;
    try {
      const text = JSON.stringify({ boot: thisBoot(), before: Object.fromEntries(this.#before) });
      writeFileSync(this.#file, text, { mode: 0o600 });
    } catch {
      // A full disk is no reason to have no tunnel.
    }
  }
}

function keptIn(file: string): Readonly<Record<string, number>> {
  try {
    const { boot, before } = fileSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    return boot === thisBoot() ? before : {};
  } catch {
    // None, or one that a crash left half written.
    return {};
  }
}

function thisBoot(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function readSetting(name: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/net/${name}`, "utf8"));
  } catch {
    return undefined;
  }
}

/** @returns false where this kernel has no such setting, or it may not be changed */
export function writeSetting(name: string, value: number): boolean {
  try {
    writeFileSync(`/proc/sys/net/${name}`, String(value));
    return true;
  } catch {
    return false;
  }
}
