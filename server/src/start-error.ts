import { ConfigError } from "./config-error.ts";
import { DirectoryInUseError } from "./db/directory-lock.ts";

/** Why the server cannot start: one sentence for people, with what to do. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** The sentence for a failed start. What nobody foresaw is told by its own message, which the log has in full. */
export function startSentence(error: unknown): string {
  if (error instanceof StartError || error instanceof ConfigError || error instanceof DirectoryInUseError) {
    return error.message;
  }
  return `The server could not start: ${error instanceof Error ? error.message : String(error)}`;
}

/** Names the port and its setting when listening failed because of the port; other errors stay as they are. */
export function listenProblem(error: unknown, port: number, setting: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") {
    return new StartError(
      `Port ${port} is in use by another program: end that program, or set ${setting} to another port.`,
    );
  }
  if (code === "EACCES") {
    return new StartError(`Port ${port} needs more rights: set ${setting} to a port above 1023.`);
  }
  return error;
}
