import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { z } from "zod";
import { repository } from "./settings.ts";

/** How long a part may take to end by itself before it is killed. */
const stopTimeoutMs = 10_000;
/** A part that dies this soon after it was ready is not started again. */
const minimumLifeMs = 5_000;

/** A part of the product that runs as a process of its own. */
export interface Part<Ready> {
  readonly ready: Ready;
  /** Ends it in order; resolves when the process is gone. */
  stop(): Promise<void>;
}

interface PartOptions<Message> {
  /** For people: "The server". */
  readonly name: string;
  /** The TypeScript file, from the repository's root. */
  readonly entry: string;
  /** Flags for Node itself. */
  readonly nodeFlags?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly message: z.ZodType<Message>;
  /** Says what happened when the part ended by itself and whether it was started again. */
  readonly onTrouble: (sentence: string, restarted: boolean) => void;
}

type Announcement = { readonly kind: "ready" } | { readonly kind: "failed"; readonly sentence: string };

/**
 * Starts a part and waits until it is ready. A part that ends by itself later is started again.
 * @throws Error with the part's own sentence when it cannot start.
 */
export async function startPart<Message extends Announcement>(
  options: PartOptions<Message>,
): Promise<Part<Extract<Message, { kind: "ready" }>>> {
  let stopping = false;
  let child: ChildProcess;

  const run = async () => {
    const started = await launch(options);
    child = started.child;
    const since = Date.now();
    child.once("exit", (code, signal) => {
      if (stopping) return;
      const end = `${options.name} ended unexpectedly (${signal ?? `exit code ${code}`})`;
      if (Date.now() - since < minimumLifeMs)
        return options.onTrouble(`${end}, too soon to try again.`, false);
      options.onTrouble(`${end}; starting it again.`, true);
      run().catch((error: Error) => options.onTrouble(error.message, false));
    });
    return started.ready;
  };

  const ready = await run();
  return {
    ready,
    async stop() {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await gone;
      clearTimeout(killer);
    },
  };
}

async function launch<Message extends Announcement>(options: PartOptions<Message>) {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", ...(options.nodeFlags ?? []), join(repository, options.entry)],
    // A group of its own: Ctrl-C reaches it through the start command alone, in the right order.
    {
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      detached: true,
    },
  );
  const ready = await new Promise<Extract<Message, { kind: "ready" }>>((resolve, reject) => {
    child.once("exit", (code, signal) =>
      reject(new Error(`${options.name} ended before it was ready (${signal ?? `exit code ${code}`}).`)),
    );
    child.on("message", (raw) => {
      const message = options.message.safeParse(raw).data;
      if (message?.kind === "failed") reject(new Error(message.sentence));
      else if (isReady(message)) resolve(message);
    });
  });
  child.removeAllListeners("exit");
  return { child, ready };
}

function isReady<Message extends Announcement>(
  message: Message | undefined,
): message is Extract<Message, { kind: "ready" }> {
  return message?.kind === "ready";
}
