import { ControlClient } from "../control/control-client.ts";
import { type CompanionPaths, pathsToSpeakTo } from "../data-paths.ts";
import { VERSION } from "../version.ts";

/** What every command is given. */
export interface CommandContext {
  /** Machines read: JSON instead of words. */
  readonly json: boolean;
  readonly print: (text: string) => void;
}

/** Asks the companion at `paths`, and hangs up whatever comes of it. */
export async function withCompanion<Result>(
  use: (client: ControlClient) => Promise<Result>,
  paths: CompanionPaths = pathsToSpeakTo(),
): Promise<Result> {
  const client = await ControlClient.open(paths.controlSocket, "atlantic", VERSION);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Prints a value as JSON, or as its words. */
export function show<Value>(
  { json, print }: CommandContext,
  value: Value,
  words: (value: Value) => string,
): void {
  print(json ? JSON.stringify(value, null, 2) : words(value));
}
