import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { ClearError } from "../clear-error.ts";
import { pairedBrowserSchema } from "../pairing/pairing-store.ts";
import { keptSessionSchema } from "../sessions/session-book.ts";

/** What outlives the companion: who is paired, and which session each route has. */
const companionStateSchema = z.object({
  version: z.literal(1),
  paired: z.array(pairedBrowserSchema),
  sessions: z.array(keptSessionSchema),
});
export type CompanionState = z.infer<typeof companionStateSchema>;

const EMPTY: CompanionState = { version: 1, paired: [], sessions: [] };

/**
 * A damaged file is put aside, with a warning: the protection of a machine must come back without a hand, and what is lost
 * is asked for anew.
 * @throws ClearError when the file is there and cannot be read
 */
export function readState(path: string): CompanionState {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return EMPTY;
    throw new ClearError(`${path} cannot be read: check its owner and its permissions.`, { cause: error });
  }
  try {
    return companionStateSchema.parse(JSON.parse(text));
  } catch {
    return putAside(path);
  }
}

function putAside(path: string): CompanionState {
  const aside = `${path}.damaged`;
  try {
    renameSync(path, aside);
  } catch {
    // A disk that cannot be written: it is read again at the next start, and written over when that can be done.
  }
  process.emitWarning(`${path} is damaged and was put aside as ${aside}. Pair your browsers anew.`);
  return EMPTY;
}

/** Writes beside and renames, so that the file is always whole. Small and rare, hence synchronous. */
export function writeState(path: string, state: CompanionState): void {
  makePrivateDirectory(dirname(path));
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(beside, path);
}

/** Makes a directory that nobody else can look into, or takes the others' rights away from it. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}
