import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The name of this installation's gateway: made once, kept in the server's directory, the same over restarts, so that
 * a gateway knows what an earlier run of its own left open. Of several processes each has its own.
 */
export async function readGatewayId(directory: string, process: number | null = null): Promise<string> {
  const file = join(directory, process === null ? "gateway-id" : `gateway-id-${process}`);
  const kept = await readFile(file, "utf8").catch(() => "");
  if (/^[0-9a-f-]{36}$/.test(kept)) return kept;
  const id = randomUUID();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(file, id, { mode: 0o600, flush: true });
  return id;
}
