import type { ConformanceCase } from "./conformance-case.ts";
import { Finding } from "./finding.ts";
import { Probe } from "./probe.ts";
import type { Ability, Subject } from "./subject.ts";

export interface CaseResult {
  readonly id: string;
  readonly outcome: "pass" | "fail" | "not applicable";
  /** What was seen where it failed, or why it does not apply. */
  readonly saw?: string;
}

/** No case takes longer; one that would is a failure. */
const CASE_MS = 60_000;

const lacks: Readonly<Record<Ability, string>> = {
  http: "it does not forward HTTP",
  connect: "it has no CONNECT",
  socks5: "it has no SOCKS5",
  udp: "it has no UDP ASSOCIATE",
  ipv6: "it was set up without IPv6",
  credentials: "it was set up without credentials",
};

/** Runs the cases against one proxy, several at a time. Never throws because of what a proxy does. */
export async function runCases(
  subject: Subject,
  cases: readonly ConformanceCase[],
  { atOnce = 8, done = () => {} }: { atOnce?: number; done?: (result: CaseResult) => void } = {},
): Promise<readonly CaseResult[]> {
  const results = new Map<string, CaseResult>();
  const waiting = [...cases];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const result = await runCase(subject, next);
      results.set(next.id, result);
      done(result);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return cases.flatMap(({ id }) => results.get(id) ?? []);
}

/** Runs one case. A program error of the case itself is a failure that says so. */
export async function runCase(subject: Subject, one: ConformanceCase): Promise<CaseResult> {
  const missing = one.needs.find((ability) => !subject.abilities.has(ability));
  if (missing !== undefined) return { id: one.id, outcome: "not applicable", saw: lacks[missing] };
  const probe = new Probe(subject);
  let timer: NodeJS.Timeout | undefined;
  try {
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Finding(`It was not over after ${CASE_MS / 1000} s.`)), CASE_MS);
    });
    await Promise.race([one.run(probe), tooLong]);
    return { id: one.id, outcome: "pass" };
  } catch (error) {
    const saw = error instanceof Finding ? error.message : `The case itself failed: ${String(error)}`;
    return { id: one.id, outcome: "fail", saw };
  } finally {
    clearTimeout(timer);
    probe.close();
  }
}
