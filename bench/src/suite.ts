import type { Row } from "./row.ts";

/** What a suite may use while it runs. */
export interface SuiteContext {
  /** Says one line of progress to people. */
  progress(line: string): void;
  /** Keeps raw values beside the rows, to look at later. */
  keep(name: string, values: unknown): void;
  /** A row that could not be measured: it is reported, and the bench fails. */
  unmeasured(what: string, problem: unknown): void;
  /** Whether a case was asked for. */
  wants(name: string): boolean;
  /** Rounds of each case. */
  readonly rounds: number;
}

/** Measures one part of a suite: where it fails it is reported, and the others are measured all the same. */
export async function attempt(
  context: SuiteContext,
  what: string,
  measure: () => Promise<Row[]>,
): Promise<Row[]> {
  try {
    return await measure();
  } catch (error) {
    context.unmeasured(what, error);
    return [];
  }
}

export interface Suite {
  readonly name: string;
  /** One line for `npm run bench -- --help`. */
  readonly about: string;
  /** It takes so long that it runs only when it is asked for by name. */
  readonly onlyWhenNamed?: boolean;
  run(context: SuiteContext): Promise<Row[]>;
}
