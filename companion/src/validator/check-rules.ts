import type { ProtectionFinding } from "@atlantic/shared/control/protection.ts";
import type { Firewall } from "../firewall/firewall.ts";

/** The kernel must have the rules that were last applied. */
export async function checkRules(firewall: Pick<Firewall, "inspect">): Promise<ProtectionFinding> {
  const check = "rules";
  try {
    const { digest, generation, intact, blocking } = await firewall.inspect();
    const which = `digest ${digest.slice(0, 16)}, generation ${generation}`;
    if (blocking && intact) return { check, good: true, detail: `The kernel has our rules: ${which}.` };
    const detail = blocking
      ? `The kernel has other rules than ours: ${which}.`
      : "The kernel has no rules of ours.";
    return { check, good: false, detail };
  } catch (error) {
    const detail = `The rules could not be looked at: ${error instanceof Error ? error.message : String(error)}`;
    return { check, good: false, detail };
  }
}
