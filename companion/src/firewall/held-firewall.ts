import { setTimeout as delay } from "node:timers/promises";
import type { Firewall, FirewallOptions, FirewallState, FirewallTrouble } from "./firewall.ts";
import { FirewallError, HolderGoneError } from "./firewall-error.ts";
import { HolderConnection } from "./holder-connection.ts";
import type { HolderAnswer, HolderOrder } from "./holder-messages.ts";
import { upstreamSet } from "./named-sets.ts";
import { type Endpoint, type Policy, TABLE } from "./policy.ts";
import { rulesOf } from "./rules-of.ts";
import { startHolder } from "./start-holder.ts";

/** How long an order waits for a holder that is being started again. */
const PATIENCE_MS = 20_000;
const LONGEST_PAUSE_MS = 1_000;

/** A firewall whose rules another process holds. */
export class HeldFirewall implements Firewall {
  readonly #options: FirewallOptions;
  readonly #listeners = new Set<(trouble: FirewallTrouble) => void>();
  /** Told before anybody listened. */
  #unheard: FirewallTrouble[] = [];
  #connection: Promise<HolderConnection>;
  #holding: "owned" | "watched" = "watched";
  #policy: Policy | null = null;
  #closing = false;

  private constructor(options: FirewallOptions) {
    this.#options = options;
    this.#connection = this.#findOrStart();
  }

  /** @throws FirewallError when there is no holder and none can be started */
  static async open(options: FirewallOptions): Promise<HeldFirewall> {
    const firewall = new HeldFirewall(options);
    const { hello } = await firewall.#connection;
    if (!hello.egress)
      firewall.#tell({
        kind: "failed",
        message:
          "This kernel cannot filter what leaves by a link (Linux 5.16 can): programs that write raw frames, and containers " +
          "on macvlan links, are not held back.",
        openMs: null,
      });
    return firewall;
  }

  get holding(): "owned" | "watched" {
    return this.#holding;
  }

  async apply(policy: Policy): Promise<void> {
    await this.#ask({ do: "apply", rules: rulesOf(policy) });
    this.#policy = policy;
  }

  async replaceUpstreams(upstreams: readonly Endpoint[]): Promise<void> {
    await this.#ask({ do: "swap", sets: [upstreamSet(upstreams, 4), upstreamSet(upstreams, 6)] });
    const policy = this.#policy;
    if (policy === null) return;
    this.#policy = policy.kind === "blocked" ? { ...policy, bootstrap: upstreams } : { ...policy, upstreams };
  }

  async open(): Promise<void> {
    await this.#ask({ do: "open" });
    this.#policy = null;
  }

  async inspect(): Promise<FirewallState> {
    const answer = await this.#ask({ do: "inspect" });
    if (answer.is !== "state")
      throw new FirewallError("The holder of the firewall's rules does not say what there is.");
    const { generation, digest, intact, blocking } = answer;
    return { generation, digest, intact, blocking };
  }

  onTrouble(listener: (trouble: FirewallTrouble) => void): () => void {
    this.#listeners.add(listener);
    for (const trouble of this.#unheard.splice(0)) listener(trouble);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing = true;
    const connection = await this.#connection.catch(() => null);
    await connection?.end();
  }

  async #ask(order: HolderOrder): Promise<HolderAnswer> {
    const connection = await this.#connected();
    try {
      return await connection.ask(order);
    } catch (error) {
      // Every order says how it is to be in the end, so it may be given twice; a holder that ends over it ends over both.
      if (!(error instanceof HolderGoneError) || this.#closing) throw error;
      const next = await this.#connected();
      return next.ask(order);
    }
  }

  async #connected(): Promise<HolderConnection> {
    if (this.#closing)
      throw new FirewallError("This conversation with the firewall is closed. The rules hold on.");
    const late = new AbortController();
    return Promise.race([
      this.#connection,
      delay(PATIENCE_MS, undefined, { signal: late.signal }).then(() => {
        throw new FirewallError(
          "The process that holds the firewall's rules does not come back, so they cannot be changed. Those that hold stay.",
        );
      }),
    ]).finally(() => late.abort());
  }

  async #findOrStart(): Promise<HolderConnection> {
    let connection: HolderConnection;
    try {
      connection = await this.#connect();
    } catch {
      if (this.#options.startsHolder === false)
        throw new FirewallError(
          "The process that holds the firewall's rules does not answer, so they cannot be changed. See: systemctl status atlantic-fw",
        );
      await startHolder(this.#options);
      connection = await this.#connect();
    }
    if (connection.hello.table !== TABLE) {
      await connection.end();
      throw new FirewallError(
        `The holder at ${this.#options.socket} holds the table ${connection.hello.table}, not ${TABLE}. Give it another socket.`,
      );
    }
    this.#holding = connection.hello.owned ? "owned" : "watched";
    return connection;
  }

  #connect(): Promise<HolderConnection> {
    return HolderConnection.open(this.#options.socket, {
      trouble: (trouble) => this.#tell(trouble),
      gone: () => this.#lost(),
    });
  }

  #lost(): void {
    if (this.#closing) return;
    this.#tell({
      kind: "holder-gone",
      message: "The process that holds the firewall's rules ended. The rules stay; it is started again.",
      openMs: null,
    });
    this.#connection = this.#comeBack();
    // Whoever asks meanwhile hears of a failure; there may be nobody.
    this.#connection.catch(() => {});
  }

  async #comeBack(): Promise<HolderConnection> {
    let told = "";
    for (let pause = 20; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const connection = await this.#findOrStart();
        // What was in force as far as this side knows: an order may have been cut off.
        if (this.#policy) await connection.ask({ do: "apply", rules: rulesOf(this.#policy) });
        this.#tell({
          kind: "holder-back",
          message: "The process that holds the firewall's rules runs again and holds them.",
          openMs: null,
        });
        return connection;
      } catch (error) {
        if (this.#closing) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        if (pause === LONGEST_PAUSE_MS && reason !== told) {
          told = reason;
          this.#tell({ kind: "failed", message: reason, openMs: null });
        }
        await delay(pause);
      }
    }
  }

  #tell(trouble: FirewallTrouble): void {
    if (this.#listeners.size === 0) this.#unheard.push(trouble);
    for (const listener of this.#listeners) listener(trouble);
  }
}
