import { tellServiceManager } from "@atlantic/native";
import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { z } from "zod";
import { ClearError } from "../clear-error.ts";

/** Sends one datagram to a socket; false: nobody took it, null: it cannot be sent from here at all. */
type Send = (socket: string, message: string) => boolean | null;

/** What systemd sets for a unit of `Type=notify`. */
const environmentSchema = z.object({
  NOTIFY_SOCKET: z.string().min(1),
  WATCHDOG_USEC: z.coerce.number().int().positive().optional().catch(undefined),
  WATCHDOG_PID: z.coerce.number().int().optional().catch(undefined),
});

/** One sentence for `systemctl status`, which everyone may read: nothing of upstreams or exits. */
const sentences: Readonly<Record<ProtectionView["state"], string>> = {
  open: "Open: nothing is blocked.",
  locked: "Locked: everything is blocked.",
  connecting: "Connecting: everything is blocked until an upstream answers.",
  connected: "Connected: everything goes through an upstream.",
  failover: "Failover: traffic waits for the next upstream.",
  disconnecting: "Disconnecting: the rules still stand.",
  error: "Error: everything is blocked, and it tries again. See: atlantic status",
};

/**
 * Tells systemd how the daemon is (sd_notify(3)): that it is ready, where it stands, that its event loop turns, that it
 * stops. Silent where systemd does not ask for it.
 */
export class ServiceManager {
  readonly #socket: string | null;
  readonly #beatMs: number | null;
  readonly #send: Send;
  #state = "";
  #stopping = false;
  #beat: NodeJS.Timeout | undefined;

  private constructor(socket: string | null, beatMs: number | null, send: Send) {
    this.#socket = socket;
    this.#beatMs = beatMs;
    this.#send = send;
  }

  /**
   * Reads what systemd says and takes it out of the environment: no child of the daemon's shall speak for it.
   * @throws ClearError when systemd waits for word and cannot be told
   */
  static of(environment: NodeJS.ProcessEnv, send: Send = tellServiceManager): ServiceManager {
    const { data } = environmentSchema.safeParse(environment);
    for (const name of Object.keys(environmentSchema.shape)) delete environment[name];
    if (!data) return new ServiceManager(null, null, send);
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID = process.pid } = data;
    const beatMs =
      WATCHDOG_USEC === undefined || WATCHDOG_PID !== process.pid ? null : WATCHDOG_USEC / 1_000 / 2;
    if (send(NOTIFY_SOCKET, "STATUS=Starting.") === null)
      throw new ClearError(
        "systemd waits to be told that the daemon is ready, which takes the native addon, and that is not there: npm run build:native, and install again.",
      );
    return new ServiceManager(NOTIFY_SOCKET, beatMs, send);
  }

  /**
   * The daemon answers its control socket, and this is where the protection of the machine stands; null: it has none.
   * It counts as ready unless it should block and cannot.
   */
  stands(view: Pick<ProtectionView, "state" | "blockingFailed"> | null): void {
    if (this.#stopping) return;
    const before = this.#state;
    this.#state = wordsOf(view);
    if (this.#state !== before) this.#tell();
    if (this.#beatMs === null || this.#beat) return;
    this.#beat = setInterval(() => this.#tell(), this.#beatMs);
    this.#beat.unref();
  }

  /** The daemon ends, and says nothing any more. */
  stops(): void {
    this.#stopping = true;
    clearInterval(this.#beat);
    if (this.#socket !== null)
      this.#send(this.#socket, "STOPPING=1\nSTATUS=Stopping: rules that stand stay.");
  }

  /** All of it each time, so that what a busy manager did not take comes with the next beat. */
  #tell(): void {
    const beat = this.#beatMs === null ? "" : "\nWATCHDOG=1";
    if (this.#socket !== null) this.#send(this.#socket, `${this.#state}${beat}`);
  }
}

function wordsOf(view: Pick<ProtectionView, "state" | "blockingFailed"> | null): string {
  if (view === null) return "READY=1\nSTATUS=Serves browsers; the machine is not protected.";
  if (view.blockingFailed)
    return "STATUS=Error: NOTHING IS BLOCKED, the rules cannot be put up. See: atlantic status";
  return `READY=1\nSTATUS=${sentences[view.state]}`;
}
