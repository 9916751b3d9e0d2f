import type { RuleSet } from "@atlantic/companion/src/firewall/rule-set.ts";
import { buildMachine } from "./machine.ts";
import { shapes } from "./matrix.ts";
import { mutantsOf } from "./mutants.ts";
import { deviations, type ObservePlace, observe } from "./observe.ts";
import { PhaseLinks } from "./phase-links.ts";
import { namedPolicies } from "./policies.ts";
import { printedFirewall } from "./printed-firewall.ts";
import { startProbers } from "./probers.ts";
import { nextTag } from "./sending.ts";
import { makeDevice } from "./tunnel-device.ts";

/** What became of one rule that was deleted. */
export interface MutantResult {
  readonly policy: string;
  readonly gone: string;
  /** What was seen that was not before, and what was no longer; none when nobody noticed. */
  readonly noticed: readonly string[];
}

export interface MutationReport {
  readonly mutants: number;
  readonly unnoticed: readonly string[];
  /** What is not as the policy wants it with all rules. */
  readonly baseline: readonly string[];
  readonly results: readonly MutantResult[];
  readonly seconds: number;
}

export interface MutationOptions {
  /** Takes every n-th mutant only. Default 1: all. */
  readonly every?: number;
  readonly onResult?: (result: MutantResult) => void;
}

/** Deletes each rule of each policy, one at a time, and looks whether anybody would notice. */
export async function runMutation({ every = 1, onResult }: MutationOptions = {}): Promise<MutationReport> {
  const begun = performance.now();
  const machine = await buildMachine();
  try {
    const probers = await startProbers(machine);
    const device = await makeDevice(machine, probers.daemon);
    const namespace = machine.namespace("machine");
    const place = (change?: (rules: RuleSet) => RuleSet): ObservePlace => ({
      machine,
      probers,
      device,
      shapes,
      nextTag,
      links: new PhaseLinks(machine),
      firewall: printedFirewall({ namespace, ...(change && { change }) }),
    });
    const baseline: string[] = [];
    const results: MutantResult[] = [];
    let count = 0;
    for (const { name, policy } of namedPolicies(device.link)) {
      const before = await observe(place(), policy);
      const { wrong, missing } = deviations(before, policy, shapes);
      baseline.push(
        ...wrong.map((each) => `${name}: ${each}`),
        ...missing.map((each) => `${name}: not ${each}`),
      );
      for (const { gone, change } of mutantsOf(policy)) {
        if (count++ % every !== 0) continue;
        await machine.resetSettings();
        const after = await observe(place(change), policy);
        const result = { policy: name, gone, noticed: differences(before, after) };
        results.push(result);
        onResult?.(result);
      }
    }
    const unnoticed = results.filter(({ noticed }) => noticed.length === 0);
    return {
      mutants: results.length,
      unnoticed: unnoticed.map(({ policy, gone }) => `${policy}: ${gone}`),
      baseline,
      results,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    await machine.close();
  }
}

function differences(before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  return [
    ...[...after].filter((each) => !before.has(each)).map((each) => `now: ${each}`),
    ...[...before].filter((each) => !after.has(each)).map((each) => `no longer: ${each}`),
  ];
}
