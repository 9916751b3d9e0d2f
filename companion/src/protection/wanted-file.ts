import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { isBlockedAtBoot, NOTHING_WANTED, type Wanted, wantedSchema } from "./wanted.ts";

const fileSchema = wantedSchema.extend({ version: z.literal(1) });

/**
 * What is wanted, on disk. Beside it stands an empty file for the unit of early boot, which has no JSON reader: where
 * it is, everything is blocked until the daemon runs.
 */
export class WantedFile {
  readonly #path: string;
  readonly #bootPath: string;

  constructor(directory: string) {
    this.#path = join(directory, "wanted.json");
    this.#bootPath = join(directory, "blocked-at-boot");
  }

  /** A file that is not there is a machine that nobody asked anything of yet. */
  read(): Wanted | "unreadable" {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      return isMissing(error) ? NOTHING_WANTED : "unreadable";
    }
    try {
      const { version: _, ...wanted } = fileSchema.parse(JSON.parse(text));
      return wanted;
    } catch {
      return "unreadable";
    }
  }

  /**
   * On disk when it returns; nothing is written where the disk says so already. Small and rare, hence synchronous.
   * When a wish to be protected cannot be written, the file is emptied, which needs no space: unreadable means blocked.
   * @throws Error when it cannot be written
   */
  keep(wanted: Wanted): void {
    const blocked = isBlockedAtBoot(wanted);
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      // Between the two a machine that starts must be blocked rather than open.
      if (blocked) this.#setBoot(true);
      if (!isSame(this.read(), wanted)) this.#write(wanted);
      if (!blocked) this.#setBoot(false);
    } catch (error) {
      if (blocked) this.#spoil();
      throw error;
    }
  }

  #write(wanted: Wanted): void {
    const beside = `${this.#path}.${process.pid}.new`;
    try {
      writeFileSync(beside, `${JSON.stringify({ version: 1, ...wanted })}\n`, { mode: 0o600, flush: true });
      renameSync(beside, this.#path);
      this.#syncDirectory();
    } finally {
      rmSync(beside, { force: true });
    }
  }

  #setBoot(blocked: boolean): void {
    if (blocked) closeSync(openSync(this.#bootPath, "a", 0o600));
    else rmSync(this.#bootPath, { force: true });
    this.#syncDirectory();
  }

  #spoil(): void {
    try {
      closeSync(openSync(this.#path, "a", 0o600));
      truncateSync(this.#path);
    } catch {
      // Nothing can be written at all: that it could not is what the caller reports.
    }
  }

  /** A rename is on disk when its directory is. */
  #syncDirectory(): void {
    const fd = openSync(dirname(this.#path), "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

function isSame(one: Wanted | "unreadable", other: Wanted): boolean {
  if (one === "unreadable") return false;
  return (
    one.connected === other.connected && one.lockdown === other.lockdown && one.allowLan === other.allowLan
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
