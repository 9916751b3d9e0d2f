import { ControlGroup } from "../net/control-group.ts";
import { chosenTraffic } from "./chosen.ts";
import { heldFirewall } from "./held-firewall.ts";
import { buildMachine, type Machine } from "./machine.ts";
import { shapes as allShapes, type Shape } from "./matrix.ts";
import { phases as allPhases, type Phase } from "./phases.ts";
import { type Guard, printedFirewall } from "./printed-firewall.ts";
import { startProbers } from "./probers.ts";
import { type PhaseResult, runPhase } from "./run-phase.ts";

/** What the whole run showed; `cases`, `control` and `leaked` are sums over the phases. */
export interface MatrixReport {
  readonly cases: number;
  /** Probes that were seen without rules: all of them, or the run is void. */
  readonly control: number;
  readonly leaked: number;
  readonly rules: RuleKind;
  /** What must pass and did not. */
  readonly broken: number;
  readonly phases: readonly PhaseResult[];
  readonly seconds: number;
}

/**
 * How the rules get into the kernel: "owned" and "watched" are held by a process, "printed" is the text that nft loads,
 * "none" is a firewall that does nothing, to see that the matrix finds that.
 */
export const ruleKinds = ["owned", "watched", "printed", "none"] as const;
export type RuleKind = (typeof ruleKinds)[number];

export interface MatrixOptions {
  /** Default "owned". */
  readonly rules?: RuleKind;
  readonly shapes?: readonly Shape[];
  readonly phases?: readonly Phase[];
  readonly onPhase?: (result: PhaseResult) => void;
}

/** Builds a machine, tries every shape in every phase, and removes it. Throws where the run itself failed. */
export async function runMatrix(options: MatrixOptions = {}): Promise<MatrixReport> {
  const { rules = "owned", shapes = allShapes, onPhase } = options;
  // Nobody watches for links behind printed rules.
  const possible = allPhases.filter(({ secondLink }) => rules !== "printed" || secondLink !== "after");
  const { phases = possible } = options;
  const begun = performance.now();
  const machine = await buildMachine();
  // The text for nft names groups by paths below another place where both versions are mounted.
  const group = rules === "printed" ? null : ControlGroup.make(machine.namespace("machine"));
  let firewall: Awaited<ReturnType<typeof guardOf>> | undefined;
  try {
    const probers = await startProbers(machine, true, group);
    firewall = await guardOf(machine, rules);
    const results: PhaseResult[] = [];
    for (const phase of phases) {
      const result = await runPhase(
        { machine, probers, firewall, shapes, chosen: chosenTraffic(group?.path ?? null) },
        phase,
      );
      results.push(result);
      onPhase?.(result);
    }
    await machine.capture.stop();
    return { ...sums(results), rules, phases: results, seconds: (performance.now() - begun) / 1000 };
  } finally {
    // First: it would start its holder again.
    await firewall?.close?.();
    group?.remove();
    await machine.close();
  }
}

async function guardOf(machine: Machine, rules: RuleKind): Promise<Guard & { close?(): Promise<void> }> {
  if (rules === "printed") return printedFirewall(machine.namespace("machine"));
  if (rules === "none") return { apply: nothing, replaceUpstreams: nothing, open: nothing };
  return heldFirewall(machine, rules);
}

async function nothing(): Promise<void> {}

function sums(
  results: readonly PhaseResult[],
): Pick<MatrixReport, "cases" | "control" | "leaked" | "broken"> {
  const sum = (count: (result: PhaseResult) => number) =>
    results.reduce((total, each) => total + count(each), 0);
  return {
    cases: sum(({ cases }) => cases),
    control: sum(({ control }) => control),
    leaked: sum(({ leaks }) => leaks.length),
    broken: sum(({ broken }) => broken.length),
  };
}

/** Whether it shows what it is for: nothing leaked, everything that must pass passed, and every probe can be seen. */
export function holds({ cases, control, leaked, broken }: MatrixReport): boolean {
  return leaked === 0 && broken === 0 && control === cases;
}

/** One line for each phase, and its findings. */
export function describePhase({
  phase,
  cases,
  control,
  leaks,
  broken,
  unseenByControl,
}: PhaseResult): string {
  const list = (title: string, entries: readonly string[]) =>
    entries.map((entry) => `    ${title}: ${entry}\n`);
  return [
    `${leaks.length + broken.length + unseenByControl.length === 0 ? "good" : "BAD "}  ${phase}: ` +
      `${cases} cases, control saw ${control}, ${leaks.length} leaked\n`,
    ...list("leaked", leaks),
    ...list("must pass and did not", broken),
    ...list("the control did not see it", unseenByControl),
  ].join("");
}
