import { createInterface } from "node:readline/promises";
import { ClearError } from "../clear-error.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";

export interface PairOptions {
  readonly accept?: string;
  readonly refuse?: string;
}

/** Shows who waits to be paired, and takes the answer: by option, or by asking when a person is there. */
export async function pair(context: CommandContext, { accept, refuse }: PairOptions): Promise<void> {
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
        () => "No browser asks to be paired. Open its popup and follow the two steps.",
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
