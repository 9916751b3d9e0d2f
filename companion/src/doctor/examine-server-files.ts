import { existsSync } from "node:fs";
import { closedFileFinding } from "./closed-file-finding.ts";
import type { Finding } from "./finding.ts";
import { upstreamsPath } from "./read-upstreams.ts";

/** What the server of this data directory keeps passwords in; nothing where there is no such server, or no such file. */
export function examineServerFiles(dataDir: string): Finding[] {
  const path = upstreamsPath(dataDir);
  return existsSync(path) ? [closedFileFinding("Upstreams of the server", path, "600")] : [];
}
