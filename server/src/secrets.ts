import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";

const key = z.string().regex(/^[0-9a-f]{64}$/, "a key is 64 hexadecimal digits");

const secretsSchema = z.object({
  /** Signs the cookies of sessions. */
  auth: key,
  /** The HMAC key of credential passwords. */
  credentials: key,
});

/** The server's keys. */
export type Secrets = z.infer<typeof secretsSchema>;

/**
 * Reads the server's keys; makes them on the very first start.
 *
 * @throws when the file is there and is not what it should be: new keys would lock everybody out, so none are made.
 */
export async function readSecrets(file: string): Promise<Secrets> {
  const text = await readFile(file, "utf8").catch(onMissing);
  if (text !== null) return parseSecrets(text, file);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await createOnce(file, JSON.stringify({ auth: newKey(), credentials: newKey() }, null, 2));
  return parseSecrets(await readFile(file, "utf8"), file);
}

function newKey(): string {
  return randomBytes(32).toString("hex");
}

/** Writes the whole file or nothing; when another process was faster, its file stays. */
async function createOnce(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  await writeFile(draft, text, { mode: 0o600, flush: true });
  try {
    await link(draft, file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await rm(draft);
  }
}

function parseSecrets(text: string, file: string): Secrets {
  try {
    return secretsSchema.parse(JSON.parse(text));
  } catch {
    // Neither the text nor what zod says of it is shown: both hold keys.
    throw new Error(
      `The keys in ${file} cannot be read. Restore the file from a backup, or remove it to start anew.`,
    );
  }
}

function onMissing(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
