import { must } from "./run.ts";

/** Carries out commands of iproute2, each without the `ip` before it, in one go. @throws Error with what `ip` said */
export async function ipBatch(options: readonly string[], commands: readonly string[]): Promise<void> {
  await must(["ip", ...options, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}
