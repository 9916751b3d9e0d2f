import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where the hierarchy of version 2 is mounted: alone, or beside version 1. */
const root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((each) =>
  existsSync(join(each, "cgroup.controllers")),
);

/** A control group (v2) of a lab's own, below one that nobody else uses. */
export class ControlGroup {
  /** From the root of the hierarchy. */
  readonly path: string;
  readonly #folder: string;
  readonly #above: string;

  private constructor(root: string, name: string) {
    this.path = `${name}/chosen`;
    this.#above = join(root, name);
    this.#folder = join(root, this.path);
    mkdirSync(this.#folder, { recursive: true });
  }

  /** @returns null where this system lets nobody make one */
  static make(name: string): ControlGroup | null {
    if (root === undefined) return null;
    try {
      return new ControlGroup(root, name);
    } catch {
      return null;
    }
  }

  take(pid: number): void {
    writeFileSync(join(this.#folder, "cgroup.procs"), String(pid));
  }

  /** Deletes it and makes it again, with the one that it is in where that is asked for. Whoever was in it is again. */
  remake(withAbove: boolean): void {
    const pids = this.#members();
    this.#leave();
    rmdirSync(this.#folder);
    if (withAbove) rmdirSync(this.#above);
    mkdirSync(this.#folder, { recursive: true });
    for (const pid of pids) this.take(Number(pid));
  }

  remove(): void {
    this.#leave();
    rmdirSync(this.#folder);
    rmdirSync(this.#above);
  }

  #members(): string[] {
    return readFileSync(join(this.#folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean);
  }

  #leave(): void {
    const pids = this.#members();
    for (const pid of pids) writeFileSync(join(this.#above, "../cgroup.procs"), pid);
  }
}
