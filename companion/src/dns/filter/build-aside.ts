import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { SetParts } from "@atlantic/shared/blocking/domain-set.ts";
import type { HashKey } from "@atlantic/shared/blocking/name-hash.ts";
import { type BuiltSet, buildSet } from "./build-set.ts";
import type { ListContents, SetSource } from "./set-source.ts";

export interface BuildOrder {
  readonly sources: readonly SetSource[];
  readonly key: HashKey;
  /** Where the table goes. */
  readonly tablePath: string;
}

/** What the program that builds says on its output; the table is in its file. */
export interface BuildReport {
  readonly conditions: SetParts["conditions"];
  readonly anywhere: SetParts["anywhere"];
  readonly contents: readonly ListContents[];
}

/** Some twenty thousand names: a few milliseconds' work. */
const SMALL_BYTES = 1 << 19;

const PROGRAM = fileURLToPath(new URL("./build-set-program.ts", import.meta.url));

/**
 * Builds a set in a process of its own, which takes the memory that reading needs with it when it ends, and whose work holds
 * nobody up; small lists are built here.
 * @throws Error when a file cannot be read
 */
export async function buildAside(sources: readonly SetSource[], key: HashKey): Promise<BuiltSet> {
  if (sizeOf(sources) < SMALL_BYTES) return buildSet(sources, key);
  const folder = mkdtempSync(join(tmpdir(), "atlantic-names-"));
  try {
    const tablePath = join(folder, "table");
    const { conditions, anywhere, contents } = await runProgram({ sources, key, tablePath });
    return { parts: { table: readTable(tablePath), conditions, anywhere }, contents };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sizeOf(sources: readonly SetSource[]): number {
  return sources.reduce((sum, { rules }) => sum + ("file" in rules ? statSync(rules.file).size : 0), 0);
}

async function runProgram(order: BuildOrder): Promise<BuildReport> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", PROGRAM], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(order));
  const [said, problem, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  if (code !== 0) throw new Error(`The lists could not be read: ${problem.trim().slice(-500)}`);
  // What our own program wrote, on a pipe that nobody else has.
  return JSON.parse(said) as BuildReport;
}

/** Into memory of its own size, so that nothing is left over. */
function readTable(path: string): Uint32Array {
  const fd = openSync(path, "r");
  try {
    const bytes = new Uint8Array(fstatSync(fd).size);
    for (let at = 0; at < bytes.length; ) {
      const size = readSync(fd, bytes, at, bytes.length - at, at);
      if (size === 0) throw new Error("The table of names is shorter than it was.");
      at += size;
    }
    return new Uint32Array(bytes.buffer);
  } finally {
    closeSync(fd);
  }
}
