import { must } from "./run.ts";

/**
 * Carries out commands of iproute2, each without the `ip` before it, in one go.
 * @param namespace null: in this one
 * @throws Error with what `ip` said
 */
export async function ipBatch(
  namespace: string | null,
  commands: readonly string[],
  ...options: readonly string[]
): Promise<void> {
  const where = namespace === null ? [] : ["-netns", namespace];
  await must(["ip", ...where, ...options, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}
