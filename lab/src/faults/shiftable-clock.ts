import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { must } from "../net/run.ts";

/** Offsets in the file that the library maps (struct order in shiftable-clock.c). */
const SHIFT_AT = 0;
const REFUSE_AT = 8;
const THREAD_AT = 12;
const THREAD_BYTES = 16;

/**
 * A clock for the processes that are started with `env`: shifted while they run, with nothing done to the host's. It can
 * also refuse to be read once, by which Rust code in a thread panics.
 */
export class ShiftableClock {
  readonly #file: string;
  readonly #library: string;

  private constructor(file: string, library: string) {
    this.#file = file;
    this.#library = library;
  }

  /** Compiles the library into a folder. @throws Error without a C compiler */
  static async build(folder: string): Promise<ShiftableClock> {
    const source = join(import.meta.dirname, "shiftable-clock.c");
    const library = join(folder, "shiftable-clock.so");
    await must(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"]);
    const file = join(folder, "clock");
    writeFileSync(file, Buffer.alloc(THREAD_AT + THREAD_BYTES));
    return new ShiftableClock(file, library);
  }

  get env(): Readonly<Record<string, string>> {
    return { LD_PRELOAD: this.#library, LAB_CLOCK: this.#file };
  }

  /** Days that the clock is ahead of the host's; negative: behind. */
  shift(days: number): void {
    const seconds = Buffer.alloc(8);
    seconds.writeBigInt64LE(BigInt(Math.round(days * 86_400)));
    this.#write(seconds, SHIFT_AT);
  }

  /** The next time the thread of this name asks for the time, it panics. */
  panic(thread: string): void {
    const name = Buffer.alloc(THREAD_BYTES);
    name.write(thread);
    this.#write(name, THREAD_AT);
    this.#write(Buffer.from([1, 0, 0, 0]), REFUSE_AT);
  }

  /** Whether the panic that was asked for has happened. */
  get panicked(): boolean {
    const file = openSync(this.#file, "r");
    try {
      const refuse = Buffer.alloc(4);
      readSync(file, refuse, 0, 4, REFUSE_AT);
      return refuse.readUInt32LE() === 0;
    } finally {
      closeSync(file);
    }
  }

  #write(bytes: Buffer, at: number): void {
    const file = openSync(this.#file, "r+");
    try {
      writeSync(file, bytes, 0, bytes.length, at);
    } finally {
      closeSync(file);
    }
  }
}
