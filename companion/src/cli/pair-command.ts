import { createInterface } from "node:readline/promises";
import { EXTENSION_ID, FIREFOX_EXTENSION_ID } from "@atlantic/shared/control/extension-id.ts";
import { ClearError } from "../clear-error.ts";
import { dataDirectory, pathsToSpeakTo } from "../data-paths.ts";
import { registerHostForUser } from "../native-messaging/register.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";

export interface PairOptions {
  readonly accept?: string;
  readonly refuse?: string;
  readonly register?: boolean;
}

/** Shows who waits to be paired, and takes the answer: by option, or by asking when a person is there. */
export async function pair(context: CommandContext, options: PairOptions): Promise<void> {
  if (options.register) return register(context);
  const { accept, refuse } = options;
  await withCompanion(async (client) => {
    const chosen = accept ?? refuse;
    if (chosen !== undefined) {
      await client.request("pair.answer", { id: chosen, accepted: accept !== undefined });
      return show(context, { id: chosen, accepted: accept !== undefined }, answerInWords);
    }
    const pending = await client.request("pair.pending", {});
    if (context.json || pending.length === 0) {
      return show(
        context,
        pending,
        () =>
          "No browser asks to be paired. Open its popup and follow the two steps. Where that finds no companion: atlantic pair --register.",
      );
    }
    if (!process.stdin.isTTY) {
      throw new ClearError(
        "A browser asks to be paired: answer in its popup, or with --accept ID (atlantic pair --json).",
      );
    }
    for (const { id, name, words } of pending) {
      context.print(`${name} asks to be paired. Its popup must show:\n\n    ${words.join("  ")}\n`);
      const accepted = await asksYes("Does it? [y/N] ");
      await client.request("pair.answer", { id, accepted });
      context.print(answerInWords({ accepted }));
    }
  });
}

/** A browser starts only what stands in a file of its own: until then its extension finds no companion. */
async function register(context: CommandContext): Promise<void> {
  const dataDir = pathsToSpeakTo().isService ? undefined : dataDirectory();
  const files = [
    ...(await registerHostForUser({ dataDir, extensionId: EXTENSION_ID, family: "chromium" })),
    ...(await registerHostForUser({ dataDir, extensionId: FIREFOX_EXTENSION_ID, family: "firefox" })),
  ];
  show(context, files, () =>
    [
      "Your browsers find the companion now. Written for it:",
      ...files.map((file) => `  ${file}`),
      "Load the extension, open its popup, and compare the six words: atlantic pair shows them as well.",
    ].join("\n"),
  );
}

function answerInWords({ accepted }: { accepted: boolean }): string {
  return accepted ? "Paired." : "Refused.";
}

async function asksYes(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
