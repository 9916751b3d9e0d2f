import { Resolver } from "node:dns/promises";
import type { ProtectionFinding } from "@atlantic/shared/control/protection.ts";

const TIMEOUT_MS = 4_000;

/** Our own resolver must answer, with whatever it has to say of the name. */
export async function checkNames(name: string | null, server: string): Promise<ProtectionFinding> {
  const check = "dns-canary";
  if (name === null) return { check, good: true, detail: "Not looked at, as configured." };
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 2 });
  resolver.setServers([server]);
  try {
    const found = await resolver.resolve4(name);
    return { check, good: true, detail: `${server} answers ${name} with ${found.join(", ")}.` };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const isAnswer = code === "ENOTFOUND" || code === "ENODATA" || code === "EREFUSED";
    const detail = isAnswer
      ? `${server} answers that there is no ${name}.`
      : `${server} does not answer ${name}: ${code}.`;
    return { check, good: isAnswer, detail };
  }
}
