import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { type RunningCompanion, startCompanion } from "../companion.ts";
import { type CompanionConfig, companionConfigSchema } from "../config.ts";
import { type CompanionPaths, companionPaths } from "../data-paths.ts";
import type { PairingRequest } from "../pairing/pairing-requests.ts";

export interface TestCompanion extends RunningCompanion {
  readonly paths: CompanionPaths;
  readonly announced: PairingRequest[];
  /** Ends it and starts another on the same data. */
  restart(): Promise<TestCompanion>;
}

/** A companion in this process, on free ports and a fresh directory, whose upstream is on `exitPort`. */
export async function startTestCompanion(
  exitPort: number,
  more: Partial<CompanionConfig> = {},
  dataDir = mkdtempSync(join(tmpdir(), "atl-companion-")),
): Promise<TestCompanion> {
  const config = companionConfigSchema.parse({
    upstream: {
      kind: "gateway",
      host: "127.0.0.1",
      port: exitPort,
      username: "atl_k3x9m2qp",
      password: "secret",
      apiUrl: "http://127.0.0.1:1",
    },
    proxyPort: 0,
    filtering: false,
    ...more,
  });
  const paths = companionPaths(dataDir);
  const announced: PairingRequest[] = [];
  const companion = await startCompanion({
    config,
    paths,
    log: pino({ level: "silent" }),
    announcePairing: (request) => announced.push(request),
    restart: () => {},
    wakeWaitMs: 1_000,
  });
  return {
    ...companion,
    paths,
    announced,
    async restart() {
      await companion.close();
      return startTestCompanion(exitPort, more, dataDir);
    },
    async close() {
      await companion.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
