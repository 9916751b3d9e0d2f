import { existsSync } from "node:fs";
import { PRODUCT } from "./service-files.ts";

/** Whether a command that finds no companion is about the service: who names a data directory does not mean it. */
export function meansService(environment: NodeJS.ProcessEnv = process.env): boolean {
  return !environment.ATLANTIC_DATA && existsSync(PRODUCT);
}
