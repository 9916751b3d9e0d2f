import { getSystemErrorName } from "node:util";

/** An error of the system by its number, as the functions of Node make them. */
export function systemError(errno: number): Error & { code: string } {
  const code = errno > 0 ? getSystemErrorName(-errno) : "";
  return Object.assign(new Error(code), { code });
}

/** The same of what the addon throws: an Error whose message is the number. */
export function systemErrorOf(error: unknown): Error & { code: string } {
  return systemError(Number(error instanceof Error ? error.message : 0));
}
