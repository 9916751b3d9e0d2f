import fc from "fast-check";
import type { Subject } from "../src/subject.ts";
import { Origin } from "../src/wire/origin.ts";
import { type Difference, differencesOf } from "./compare.ts";
import { exchangeArbitrary, type GeneratedExchange } from "./exchange-arbitrary.ts";
import { type Rule, rules } from "./explained.ts";
import { observe } from "./observe.ts";

export interface DifferentialResult {
  readonly requests: number;
  /** How many were alike in everything but what each proxy says of itself. */
  readonly alike: number;
  /** How often each rule explained something. */
  readonly explained: ReadonlyMap<Rule, number>;
  readonly unexplained: readonly { readonly exchange: GeneratedExchange; readonly difference: Difference }[];
}

/** Sends the same generated exchanges through both proxies and compares what each end saw. */
export async function runDifferential(
  ours: Subject,
  peer: Subject,
  { requests, seed, atOnce = 4 }: { requests: number; seed: number; atOnce?: number },
): Promise<DifferentialResult> {
  const waiting = fc.sample(exchangeArbitrary, { numRuns: requests, seed });
  const explained = new Map<Rule, number>();
  const unexplained: { exchange: GeneratedExchange; difference: Difference }[] = [];
  let alike = 0;
  const worker = async () => {
    const origin = await new Origin().listen();
    for (let exchange = waiting.shift(); exchange !== undefined; exchange = waiting.shift()) {
      const differences = differencesOf(
        await observe(ours, origin, exchange),
        await observe(peer, origin, exchange),
      );
      let own = true;
      for (const difference of differences) {
        const rule = rules.find((one) => one.explains(difference, exchange));
        own &&= rule?.own === true;
        if (rule) explained.set(rule, (explained.get(rule) ?? 0) + 1);
        else unexplained.push({ exchange, difference });
      }
      if (own) alike += 1;
    }
    origin.close();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { requests, alike, explained, unexplained };
}
