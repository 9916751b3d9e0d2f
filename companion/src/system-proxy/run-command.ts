import { execFile } from "node:child_process";

export interface CommandResult {
  /** The exit code; null: there is no such program. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program with these words, through no shell. Never rejects. */
export type RunCommand = (
  program: string,
  words: readonly string[],
  environment?: Readonly<Record<string, string>>,
) => Promise<CommandResult>;

const TIMEOUT_MS = 20_000;

export const runCommand: RunCommand = (program, words, environment = {}) =>
  new Promise((resolve) => {
    // What they answer is read: in no language but English, and with every letter as it is.
    const env = { ...process.env, LC_ALL: "C.UTF-8", ...environment };
    execFile(program, words, { env, timeout: TIMEOUT_MS, windowsHide: true }, (error, out, err) => {
      if (error?.code === "ENOENT") return resolve({ code: null, out, err });
      const code = typeof error?.code === "number" ? error.code : 1;
      resolve({ code: error ? code : 0, out, err });
    });
  });
