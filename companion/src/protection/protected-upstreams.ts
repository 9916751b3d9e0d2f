import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { dialPlan, openPlan } from "@atlantic/native";
import type { ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { Endpoint } from "../firewall/policy.ts";
import type { TunnelUpstream } from "../tunnel/tunnel.ts";
import { planThrough } from "../tunnel/upstream-plan.ts";
import type { TunnelTarget } from "../upstream/exit-upstream.ts";
import type { ProtectedUpstreamConfig, ProtectionConfig } from "./protection-config.ts";
import { type BootstrapLookup, UpstreamAddresses } from "./upstream-addresses.ts";
import { upstreamLogin } from "./upstream-login.ts";

/** How long an upstream may take to be reached before it counts as not answering. */
const REACH_MS = 1_500;
const DIAL_MS = 15_000;
/** The longest that providers take. */
const SESSION_MINUTES = 1_440;

export interface ProtectedUpstreamsOptions {
  readonly config: ProtectionConfig;
  readonly mark: number;
  /** Where addresses that were found are kept. */
  readonly cachePath: string;
  readonly lookup: BootstrapLookup;
  /** Other addresses are known: the rules must let them be reached. */
  readonly moved: () => Promise<void>;
}

/** The upstreams of the configuration: where they are, how they are logged in at, and how they are reached. */
export class ProtectedUpstreams {
  readonly #options: ProtectedUpstreamsOptions;
  readonly #addresses: UpstreamAddresses;
  readonly #byName: ReadonlyMap<string, ProtectedUpstreamConfig>;
  readonly #session: ExitSession | undefined;

  constructor(options: ProtectedUpstreamsOptions) {
    const { config, cachePath, lookup } = options;
    this.#options = options;
    this.#addresses = new UpstreamAddresses(cachePath, lookup);
    this.#byName = new Map(config.upstreams.map((upstream) => [upstream.name, upstream]));
    this.#session = config.sticky
      ? { id: randomBytes(8).toString("hex"), lifetimeMinutes: SESSION_MINUTES, mode: "flex" }
      : undefined;
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Where all of them are, as far as it is known. */
  endpoints(): Endpoint[] {
    return [...this.#byName.values()].flatMap((upstream) =>
      this.#addresses.of(upstream).map((address) => ({ address, protocol: "tcp", port: upstream.port })),
    );
  }

  /** Resolves when it accepts a connection, and its certificate is right. Finds its addresses where none is known. */
  async reach(name: string): Promise<void> {
    const upstream = this.#config(name);
    if (this.#addresses.of(upstream).length === 0) await this.#find(upstream);
    const plan = planThrough(this.get(name), { host: "localhost", port: 1 }, this.#options.mark);
    try {
      (await openPlan(plan, { timeoutMs: REACH_MS })).destroy();
    } catch (error) {
      // It may have moved: looked up for the next attempt.
      void this.#find(upstream).catch(() => {});
      throw error;
    }
  }

  /** As the tunnel uses it. @throws ProxyError when the upstream cannot choose the exit that is asked for */
  get(name: string): TunnelUpstream {
    const config = this.#config(name);
    const login = upstreamLogin(config, this.#options.config.exit, this.#session);
    return {
      name,
      protocol: config.protocol ?? (config.kind === "socks5" ? "socks5" : "connect"),
      tls: config.tls,
      ...(config.ca !== undefined && { ca: config.ca }),
      host: config.host,
      addresses: this.#addresses.of(config),
      port: config.port,
      ...(login.username !== "" && login),
      udp: config.udp,
    };
  }

  /** A connection of this process's own, marked, through the upstream. @throws DialError */
  dial(name: string, target: TunnelTarget): Promise<Socket> {
    return dialPlan(planThrough(this.get(name), target, this.#options.mark), { timeoutMs: DIAL_MS });
  }

  async #find(upstream: ProtectedUpstreamConfig): Promise<void> {
    if (await this.#addresses.find(upstream)) await this.#options.moved();
  }

  #config(name: string): ProtectedUpstreamConfig {
    const upstream = this.#byName.get(name);
    if (upstream) return upstream;
    throw new Error(`No upstream is called ${name}.`);
  }
}
