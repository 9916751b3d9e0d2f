import { carrierEngine, type DialError, TunnelDevice } from "@atlantic/native";
import { ClearError } from "../clear-error.ts";
import {
  RESOLVER_ADDRESS4,
  RESOLVER_ADDRESS6,
  TUNNEL_ADDRESS4,
  TUNNEL_ADDRESS6,
  TUNNEL_NAME,
  type TunnelLink,
} from "../firewall/policy.ts";
import { bringUp, stateOf } from "./device-link.ts";
import { isFake } from "./fake-addresses.ts";
import { KernelSettings } from "./kernel-settings.ts";
import { Routes } from "./routes.ts";
import { TcpFlows } from "./tcp-flows.ts";
import type { Tunnel, TunnelCounters, TunnelOptions, TunnelTrouble, TunnelUpstream } from "./tunnel.ts";
import { UdpAssociations } from "./udp-associations.ts";
import { isSameUpstream } from "./upstream-plan.ts";

const HOLD_MS = 10_000;
/** How long after a change of the network it is looked at: changes come in crowds. */
const SETTLE_MS = 100;
const REMAKE_MS = 500;
/** Names that the device may have while strangers have its own. */
const SPARE_NAMES = 8;

/** A tunnel as the daemon has it: the device, its routes, and what comes through both. */
export class OpenTunnel implements Tunnel {
  readonly #options: TunnelOptions;
  #name = TUNNEL_NAME;
  readonly #flows: TcpFlows;
  readonly #associations: UdpAssociations;
  readonly #routes: Routes;
  readonly #listeners = new Set<(trouble: TunnelTrouble) => void>();
  readonly #stopWatching: (() => void) | undefined;
  #device: TunnelDevice | undefined;
  #index = 0;
  readonly #settings: KernelSettings;
  #upstream: TunnelUpstream | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** What is done to device and routes goes one after the other. */
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(options: TunnelOptions) {
    this.#options = options;
    this.#settings = new KernelSettings(options.settingsFile);
    const { mark, split, allowLan = false, holdMs = HOLD_MS } = options;
    const onDialFailed = (upstream: TunnelUpstream, error: DialError): void =>
      this.#tell({ kind: "dial failed", upstream: upstream.name, stage: error.stage ?? "reach", error });
    this.#routes = new Routes({ device: () => this.#name, mark, split, allowLan });
    const { admitRelays = async () => {} } = options;
    this.#associations = new UdpAssociations({ mark, admitRelays, onDialFailed });
    const hostOf = (address: string): string | undefined =>
      isFake(address) ? options.nameOf(address) : address;
    this.#flows = new TcpFlows({ mark, holdMs, hostOf, onDialFailed });
    this.#stopWatching = carrierEngine()?.onDeath(() => this.#tell({ kind: "engine lost" }));
  }

  /** @throws ClearError */
  static async open(options: TunnelOptions): Promise<OpenTunnel> {
    const tunnel = new OpenTunnel(options);
    try {
      await tunnel.#make();
      return tunnel;
    } catch (error) {
      await tunnel.close();
      throw error;
    }
  }

  get link(): TunnelLink {
    return {
      name: this.#name,
      index: this.#index,
      address4: TUNNEL_ADDRESS4,
      address6: TUNNEL_ADDRESS6,
      dns4: RESOLVER_ADDRESS4,
      dns6: RESOLVER_ADDRESS6,
      redirectPort: this.#flows.port,
    };
  }

  routesUp(): Promise<void> {
    return this.#after(() => {
      this.#settings.set();
      return this.#routes.up();
    });
  }

  routesDown(): Promise<void> {
    return this.#after(() => this.#routes.down());
  }

  allowLan(allowed: boolean): Promise<void> {
    return this.#after(async () => {
      this.#routes.allowLan(allowed);
      if (this.#routes.areUp) await this.#routes.up();
    });
  }

  use(upstream: TunnelUpstream | null, { keep = false }: { readonly keep?: boolean } = {}): void {
    const isOther = !isSameUpstream(this.#upstream, upstream);
    this.#upstream = upstream;
    this.#flows.use(upstream, keep);
    if (isOther) this.#associations.use(upstream);
  }

  counters(): TunnelCounters {
    const device = this.#device?.counters();
    return {
      ...this.#flows.counters(),
      sentDatagrams: device?.sentDatagrams ?? 0,
      receivedDatagrams: device?.receivedDatagrams ?? 0,
    };
  }

  onTrouble(listener: (trouble: TunnelTrouble) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stopWatching?.();
    await this.#work.catch(() => {});
    this.#associations.use(null);
    this.#flows.close();
    this.#device?.close();
    this.#settings.putBack();
  }

  async #make(): Promise<void> {
    // Before the device has an address that others could ask for.
    this.#settings.set();
    const device = this.#openDevice();
    this.#device = device;
    this.#index = device.index;
    await bringUp(this.#name);
    this.#associations.serve(device);
  }

  /** By another name where a link of somebody else's has ours: whatever leads into the device goes by its index. */
  #openDevice(): TunnelDevice {
    let taken: unknown;
    for (const name of namesFor(TUNNEL_NAME)) {
      try {
        const device = this.#openAs(name);
        this.#name = name;
        return device;
      } catch (error) {
        taken ??= error;
        if (!isNameTaken(error)) break;
      }
    }
    throw new ClearError(taken instanceof Error ? taken.message : String(taken), { cause: taken });
  }

  #openAs(name: string): TunnelDevice {
    return new TunnelDevice(name, {
      onAssociate: (id) => this.#associations.associate(id),
      onEnded: (id) => this.#associations.ended(id),
      nameOf: (fake) => this.#options.nameOf(fake),
      onNetwork: () => this.#settle(SETTLE_MS),
      onLost: () => this.#lost(),
    });
  }

  #lost(): void {
    if (this.#closed) return;
    this.#device = undefined;
    this.#tell({ kind: "device lost", detail: `${this.#name} was taken away, or renamed.` });
    this.#settle(0);
  }

  /** Looks after device and routes in a moment. */
  #settle(ms: number): void {
    if (this.#closed || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#after(() => this.#look()).catch((error: unknown) => {
        this.#tell({ kind: "routes lost", detail: error instanceof Error ? error.message : String(error) });
        this.#settle(REMAKE_MS);
      });
    }, ms);
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    if (this.#device === undefined) {
      await this.#make();
      if (this.#routes.areUp) await this.#routes.up();
      this.#tell({ kind: "device back", link: this.link });
      return;
    }
    const state = await stateOf(this.#name, this.#index);
    if (state === "renamed") {
      this.#device.close();
      this.#lost();
      return;
    }
    let restored: string | undefined;
    if (state === "down") {
      restored = "the device was down or without its addresses";
      await bringUp(this.#name);
    }
    const missing = await this.#routes.missing();
    if (restored !== undefined || missing !== undefined) {
      if (this.#routes.areUp) await this.#routes.up();
      this.#tell({ kind: "routes restored", detail: restored ?? missing ?? "" });
    } else this.#tell({ kind: "network changed" });
  }

  #after(work: () => Promise<void>): Promise<void> {
    const done = this.#work.catch(() => {}).then(work);
    this.#work = done;
    return done;
  }

  #tell(trouble: TunnelTrouble): void {
    for (const listener of this.#listeners) listener(trouble);
  }
}

/** The name itself, then it with other numbers. */
function namesFor(name: string): string[] {
  const others = Array.from({ length: SPARE_NAMES }, (_, at) => name.replace(/\d*$/, String(at + 1)));
  return [name, ...others];
}

/** A link of another kind has it, or a device of another process. */
function isNameTaken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && (cause.code === "EINVAL" || cause.code === "EBUSY");
}
