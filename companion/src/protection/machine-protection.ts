import type { Breach, ProtectionView, Verdict } from "@atlantic/shared/control/protection.ts";
import type { Logger } from "pino";
import { ControlFailure } from "../control/control-failure.ts";
import type { NameFilter } from "../dns/filter/name-filter.ts";
import type { BlockedAnswer, Resolver, ResolverOptions } from "../dns/resolver.ts";
import type { Firewall, FirewallTrouble } from "../firewall/firewall.ts";
import { type Endpoint, LED_PORT } from "../firewall/policy.ts";
import type { Tunnel, TunnelOptions, TunnelTrouble } from "../tunnel/tunnel.ts";
import type { BreachLog } from "../validator/breach-log.ts";
import type { SendCanaries } from "../validator/check-canaries.ts";
import type { Situation } from "../validator/situation.ts";
import { Validator } from "../validator/validator.ts";
import type { ProtectedUpstreams } from "./protected-upstreams.ts";
import type { Protection } from "./protection.ts";
import type { ProtectionConfig } from "./protection-config.ts";
import { ProtectionMachine } from "./protection-machine.ts";
import type { Effect, ProtectionState } from "./protection-state.ts";
import { UpstreamPool } from "./upstream-pool.ts";
import type { WantedFile } from "./wanted-file.ts";

export interface MachineProtectionParts {
  readonly config: ProtectionConfig;
  readonly mark: number;
  readonly addressCheckUrl: string | null;
  readonly firewall: Firewall;
  readonly openTunnel: (options: TunnelOptions) => Promise<Tunnel>;
  readonly startResolver: (options: ResolverOptions) => Promise<Resolver>;
  readonly filter: NameFilter;
  /** How a blocked name is answered now. */
  readonly blockedAnswer: () => BlockedAnswer;
  readonly upstreams: Pick<ProtectedUpstreams, "names" | "endpoints" | "reach" | "get" | "dial">;
  /** Rules for marked sockets, besides those to upstreams. */
  readonly bootstrap: readonly Endpoint[];
  readonly wanted: WantedFile;
  readonly breaches: BreachLog;
  readonly log: Logger;
  /** Sends canaries; default: for real. */
  readonly send?: SendCanaries;
  /** The view is another one. */
  readonly changed: () => void;
  /** Ends the process, so that it is started again. */
  readonly restart: () => void;
}

/** How long until the upstream in use is looked at: with traffic to it, and without. */
const BEAT_BUSY_MS = 1_000;
const BEAT_IDLE_MS = 15_000;
/** How long a request to connect waits for its end before it answers that it goes on. */
const CONNECT_WAIT_MS = 45_000;

/** Brings together rules, tunnel, resolver, upstreams and validator, as the states say. */
export class MachineProtection implements Protection {
  readonly #parts: MachineProtectionParts;
  readonly #machine: ProtectionMachine;
  readonly #pool: UpstreamPool;
  readonly #validator: Validator;
  readonly #waiting = new Set<() => void>();
  #tunnel: Tunnel | null = null;
  #resolver: Resolver | null = null;
  /** Where upstreams take the datagrams of the associations that are open. */
  #relays: readonly Endpoint[] = [];
  #verdict: Verdict | null = null;
  #since = Date.now();
  #retry: NodeJS.Timeout | undefined;

  constructor(parts: MachineProtectionParts) {
    const { config, firewall, upstreams, addressCheckUrl } = parts;
    this.#parts = parts;
    this.#machine = new ProtectionMachine(
      (effect) => this.#perform(effect),
      (state, before) => this.#moved(state, before),
    );
    this.#pool = new UpstreamPool({
      names: upstreams.names,
      probe: (name) => upstreams.reach(name),
      lost: (upstream) => void this.#machine.tell({ kind: "upstreamLost", upstream }),
      beatMs: () => this.#beatMs(),
    });
    this.#validator = new Validator({
      firewall,
      situation: () => this.#situation(),
      concluded: (verdict, about) => this.#concluded(verdict, about),
      canaries: config.validator.canaries,
      name: config.validator.name,
      addressCheckUrl,
      everyMs: config.validator.everySeconds * 1_000,
      jitter: config.jitter,
      ...(parts.send && { send: parts.send }),
    });
    firewall.onTrouble((trouble) => this.#firewallTrouble(trouble));
  }

  /** Goes into what was wanted when it ran last. */
  async start(): Promise<void> {
    await this.#machine.tell({ kind: "started", wanted: this.#parts.wanted.read() });
    this.#validator.start();
  }

  /** Ends the process's part. The rules stay, and so does what is wanted: nothing opens by this. */
  async close(): Promise<void> {
    this.#validator.stop();
    this.#pool.stopSearch();
    clearTimeout(this.#retry);
    await this.#resolver?.close();
    await this.#tunnel?.close();
    await this.#parts.firewall.close();
  }

  view(): ProtectionView {
    const { state } = this.#machine;
    const { firewall, breaches } = this.#parts;
    return {
      state: state.name,
      since: this.#since,
      lockdown: state.wanted.lockdown,
      allowLan: state.wanted.allowLan,
      upstream: state.name === "connected" ? state.upstream : null,
      problem: state.problem ?? (state.name === "connected" ? this.#validator.lostExit : null),
      blockingFailed: state.blockingFailed,
      holding: state.name === "open" ? null : firewall.holding,
      verdict: this.#verdict,
      breaches: breaches.all.length,
      blockedNames: this.#resolver?.counters().blocked ?? 0,
    };
  }

  async connect(): Promise<void> {
    await this.#machine.tell({ kind: "connect" });
    const timer = setTimeout(() => this.#wake(), CONNECT_WAIT_MS);
    const until = performance.now() + CONNECT_WAIT_MS;
    while (this.#machine.state.name === "connecting" && performance.now() < until) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
    }
    clearTimeout(timer);
    const { name, problem } = this.#machine.state;
    if (name === "connected" || name === "failover") return;
    throw new ControlFailure(
      "unavailable",
      `Not connected, and blocked until it is: ${problem ?? "no upstream has answered yet"}`,
    );
  }

  async disconnect(): Promise<void> {
    await this.#machine.tell({ kind: "disconnect" });
    const { name, problem } = this.#machine.state;
    if (name === "error")
      throw new ControlFailure("unavailable", problem ?? "The rules could not be taken away.");
  }

  async setLockdown(on: boolean): Promise<void> {
    await this.#machine.tell({ kind: on ? "lock" : "unlock" });
  }

  async setAllowLan(allowed: boolean): Promise<void> {
    await this.#machine.tell({ kind: "allowLan", allowed });
  }

  breaches(): readonly Breach[] {
    return this.#parts.breaches.all;
  }

  async validate(): Promise<void> {
    await this.#validator.look();
  }

  #perform(effect: Exclude<Effect, { kind: "report" }>): void | Promise<void> {
    const { wanted, firewall, upstreams, restart } = this.#parts;
    switch (effect.kind) {
      case "keepWanted":
        return wanted.keep(effect.wanted);
      case "block":
        return firewall.apply({
          kind: "blocked",
          bootstrap: this.#parts.bootstrap,
          allowLan: this.#allowLan,
        });
      case "allowUpstreams":
        return firewall.apply({ kind: "connecting", upstreams: this.#endpoints(), allowLan: this.#allowLan });
      case "allowTunnel":
        return this.#allowTunnel();
      case "swapUpstreams":
        return firewall.replaceUpstreams(this.#endpoints());
      case "openRules":
        return firewall.open();
      case "openTunnel":
        return this.#openTunnel();
      case "closeTunnel":
        return this.#closeTunnel();
      case "routesUp":
        return this.#routesUp();
      case "routesDown":
        return this.#tunnel?.routesDown();
      case "carry":
        this.#tunnel?.use(upstreams.get(effect.upstream));
        return this.#pool.use(effect.upstream);
      case "hold":
        return this.#tunnel?.use(null);
      case "search":
        return this.#search(effect.search);
      case "stopSearch":
        return this.#pool.stopSearch();
      case "verify":
        return void this.#verify(effect.search, effect.upstream);
      case "retryLater":
        return this.#retryLater(effect.search, effect.afterMs);
      case "probe":
        return this.#pool.look();
      case "restart":
        return restart();
    }
  }

  get #allowLan(): boolean {
    return this.#machine.state.wanted.allowLan;
  }

  #endpoints(): Endpoint[] {
    return [...this.#parts.upstreams.endpoints(), ...this.#parts.bootstrap, ...this.#relays];
  }

  /** Upstreams have moved: the rules of the moment must let them be reached where they are now. */
  async replaceUpstreams(): Promise<void> {
    const { name } = this.#machine.state;
    if (name === "connecting" || name === "connected" || name === "failover") {
      await this.#parts.firewall.replaceUpstreams(this.#endpoints());
    }
  }

  /** Upstreams say themselves where they take datagrams, association by association. */
  async #admitRelays(relays: readonly Endpoint[]): Promise<void> {
    this.#relays = relays;
    await this.replaceUpstreams();
  }

  async #allowTunnel(): Promise<void> {
    const { firewall, config } = this.#parts;
    const { link } = this.#openedTunnel();
    await firewall.apply({
      kind: "connected",
      upstreams: this.#endpoints(),
      tunnel: link,
      allowLan: this.#allowLan,
      split: config.split,
    });
  }

  async #routesUp(): Promise<void> {
    const tunnel = this.#openedTunnel();
    await tunnel.allowLan(this.#allowLan);
    await tunnel.routesUp();
  }

  #openedTunnel(): Tunnel {
    if (this.#tunnel) return this.#tunnel;
    throw new Error("The tunnel is not open.");
  }

  async #openTunnel(): Promise<void> {
    if (this.#tunnel) return;
    const { openTunnel, startResolver, mark, config, filter, blockedAnswer } = this.#parts;
    const tunnel = await openTunnel({
      mark,
      split: config.split,
      allowLan: this.#allowLan,
      nameOf: (fake) => this.#resolver?.nameOf(fake),
      admitRelays: (relays) => this.#admitRelays(relays),
    });
    try {
      const { dns4, dns6 } = tunnel.link;
      this.#resolver = await startResolver({
        listen: [dns4, dns6].flatMap((host) => [53, LED_PORT].map((port) => ({ host, port }))),
        dial: (target) => this.#dialCarrying(target),
        fakeAddresses: config.fakeAddresses,
        filter,
        blockedAnswer,
      });
    } catch (error) {
      await tunnel.close();
      throw error;
    }
    tunnel.onTrouble((trouble) => this.#tunnelTrouble(trouble));
    this.#tunnel = tunnel;
  }

  async #closeTunnel(): Promise<void> {
    const [tunnel, resolver] = [this.#tunnel, this.#resolver];
    this.#tunnel = null;
    this.#resolver = null;
    this.#relays = [];
    await resolver?.close();
    await tunnel?.close();
  }

  #dialCarrying(target: { host: string; port: number }) {
    const { state } = this.#machine;
    const upstream = state.name === "connected" || state.name === "connecting" ? state.upstream : null;
    if (upstream !== null) return this.#parts.upstreams.dial(upstream, target);
    return Promise.reject(new Error("There is no upstream at the moment."));
  }

  #search(search: number): void {
    this.#pool.search({
      found: (upstream) => void this.#machine.tell({ kind: "upstreamFound", search, upstream }),
      notYet: (problem) => void this.#machine.tell({ kind: "noUpstreamYet", search, problem }),
    });
  }

  /** The exit, and that nothing gets out beside it, before anything of the machine's goes through. */
  async #verify(search: number, upstream: string): Promise<void> {
    const findings = await this.#validator.findingsBefore({
      upstream,
      exit: this.#parts.config.exit,
      dial: (target) => this.#parts.upstreams.dial(upstream, target),
    });
    const bad = findings.filter(({ good }) => !good);
    this.#verdict = { at: Date.now(), kept: bad.length === 0, findings };
    if (bad.length === 0) return this.#machine.tell({ kind: "verified", search });
    const problem = bad.map(({ detail }) => detail).join(" ");
    if (bad.some(({ check }) => check === "exit-address")) await this.#pool.distrust(upstream);
    this.#keepEvidence("validator", problem, findings, 0);
    await this.#machine.tell({ kind: "notVerified", search, problem });
  }

  #retryLater(search: number, afterMs: number): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#machine.tell({ kind: "retry", search }), afterMs);
  }

  #situation(): Situation {
    const { state } = this.#machine;
    switch (state.name) {
      case "open":
      case "disconnecting":
      case "connecting":
      case "failover":
        return { kind: "open" };
      case "locked":
      case "error":
        return { kind: "blocked" };
      case "connected": {
        if (!this.#tunnel) return { kind: "blocked" };
        const { upstream } = state;
        return {
          kind: "connected",
          link: this.#tunnel.link,
          upstream,
          dial: (target) => this.#parts.upstreams.dial(upstream, target),
          exit: this.#parts.config.exit,
          split: this.#parts.config.split,
        };
      }
    }
  }

  #concluded(verdict: Verdict, about: Situation): void {
    const now = this.#situation();
    const isOver =
      now.kind !== about.kind ||
      (now.kind === "connected" && about.kind === "connected" && now.upstream !== about.upstream);
    if (isOver) return;
    this.#verdict = verdict;
    if (!verdict.kept) {
      const problem = verdict.findings.flatMap(({ good, detail }) => (good ? [] : [detail])).join(" ");
      this.#keepEvidence("validator", problem, verdict.findings, null);
      void this.#machine.tell({ kind: "breach", problem });
    }
    this.#parts.changed();
  }

  #keepEvidence(
    source: Breach["source"],
    text: string,
    findings: Breach["findings"],
    openMs: number | null,
  ): void {
    const { breaches, log } = this.#parts;
    log.error({ source, findings }, text);
    try {
      breaches.add({ at: Date.now(), source, state: this.#machine.state.name, text, findings, openMs });
    } catch (error) {
      log.error({ err: error }, "The evidence of a breach could not be written");
    }
  }

  #firewallTrouble({ kind, message, openMs }: FirewallTrouble): void {
    const isHarmless = kind === "link" || kind === "holder-back" || kind === "unsaved" || openMs === 0;
    if (isHarmless) this.#parts.log.warn({ kind, openMs }, message);
    else this.#keepEvidence("firewall", message, [], openMs);
    if (kind === "failed") void this.#machine.tell({ kind: "breach", problem: message });
    else if (kind !== "link" && kind !== "unsaved") void this.#validator.look();
    this.#parts.changed();
  }

  #tunnelTrouble(trouble: TunnelTrouble): void {
    const { log } = this.#parts;
    switch (trouble.kind) {
      case "dial failed":
        // What an upstream could not reach for a client is no fault of the upstream's.
        if (trouble.stage === "reach") this.#pool.failed(trouble.upstream);
        return;
      case "device lost":
        log.warn(trouble.detail);
        return void this.#machine.tell({ kind: "deviceLost", problem: trouble.detail });
      case "device back":
        return void this.#machine.tell({ kind: "deviceBack" });
      case "routes restored":
        log.warn(trouble.detail);
        return;
      case "routes lost":
        return void this.#machine.tell({ kind: "breach", problem: trouble.detail });
      case "network changed":
        return void this.#machine.tell({ kind: "networkChanged" });
      case "engine lost":
        return void this.#machine.tell({
          kind: "tunnelLost",
          problem: "The part that carries traffic has ended; the daemon starts again.",
        });
    }
  }

  #beatMs(): number {
    const isBusy = (this.#tunnel?.counters().openFlows ?? 0) > 0;
    const ms = isBusy ? BEAT_BUSY_MS : BEAT_IDLE_MS;
    return this.#parts.config.jitter ? ms * (0.75 + Math.random() / 2) : ms;
  }

  #moved(state: ProtectionState, before: ProtectionState): void {
    if (state.name !== before.name) {
      this.#since = Date.now();
      this.#parts.log.info(
        { from: before.name, to: state.name, problem: state.problem },
        "The protection moved",
      );
      if (state.name === "open") {
        this.#validator.forget();
        this.#verdict = null;
      }
      if (state.name === "connected" && before.name === "failover") {
        this.#resolver?.forget();
        void this.#validator.look();
      }
    }
    this.#wake();
    this.#parts.changed();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
