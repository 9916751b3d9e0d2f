import type { Socket } from "node:net";
import { type AssociationId, associateThroughPlan, DialError, type TunnelDevice } from "@atlantic/native";
import type { Endpoint } from "../firewall/policy.ts";
import type { TunnelUpstream } from "./tunnel.ts";
import { planThrough } from "./upstream-plan.ts";

const ASSOCIATE_MS = 10_000;
const NOWHERE = { host: "0.0.0.0", port: 0 };

export interface UdpAssociationOptions {
  readonly mark: number;
  readonly admitRelays: (relays: readonly Endpoint[]) => Promise<void>;
  readonly onDialFailed: (upstream: TunnelUpstream, error: DialError) => void;
}

/**
 * Has the proxy relay datagrams: a UDP association for each local socket that sends some (RFC 1928 §7), open as long as
 * its connection is. Native code moves the datagrams.
 */
export class UdpAssociations {
  readonly #options: UdpAssociationOptions;
  readonly #open = new Map<string, Association>();
  /** Relays that may be sent to, as `admitRelays` was told. */
  #admitted = "";
  #admitting: Promise<void> = Promise.resolve();
  #device: TunnelDevice | undefined;
  #upstream: TunnelUpstream | null = null;

  constructor(options: UdpAssociationOptions) {
    this.#options = options;
  }

  /** The device that asks from now on. */
  serve(device: TunnelDevice): void {
    this.#device = device;
    this.use(this.#upstream);
  }

  /** Ends all associations; null: datagrams are dropped until there is an upstream. */
  use(upstream: TunnelUpstream | null): void {
    this.#upstream = upstream;
    for (const association of this.#open.values()) association.end();
    this.#open.clear();
    this.#narrow();
    if (upstream === null) this.#device?.setDatagrams("held");
    else this.#device?.setDatagrams(carries(upstream) ? "carried" : "refused");
  }

  associate(id: AssociationId): void {
    const [upstream, device] = [this.#upstream, this.#device];
    if (upstream === null || device === undefined || !carries(upstream)) {
      device?.refuse(id);
      return;
    }
    const association = new Association();
    this.#open.set(keyOf(id), association);
    this.#begin(id, association, upstream, device).catch((error: unknown) => {
      if (this.#open.get(keyOf(id)) !== association) return;
      this.#lost(id, association);
      const cause = error instanceof DialError ? error : new DialError("internal", String(error));
      this.#options.onDialFailed(upstream, cause);
    });
  }

  ended(id: AssociationId): void {
    this.#open.get(keyOf(id))?.end();
    this.#open.delete(keyOf(id));
    this.#narrow();
  }

  async #begin(
    id: AssociationId,
    association: Association,
    upstream: TunnelUpstream,
    device: TunnelDevice,
  ): Promise<void> {
    const { socket, address, port } = await this.#ask(upstream, association.signal);
    const relay: Endpoint = { address, protocol: "udp", port };
    if (!association.keep(socket, relay, () => this.#lost(id, association))) return;
    await this.#admit();
    if (!association.signal.aborted) device.relay(id, address, port, this.#options.mark);
  }

  /** One after the other: the last word is the right one. */
  #admit(): Promise<void> {
    this.#admitting = this.#admitting.catch(() => {}).then(() => this.#admitNow());
    return this.#admitting;
  }

  /** Fewer than before; that more are admitted for a while harms nobody. */
  #narrow(): void {
    this.#admit().catch(() => {});
  }

  async #admitNow(): Promise<void> {
    const relays = new Map<string, Endpoint>();
    for (const { relay } of this.#open.values()) {
      if (relay) relays.set(`${relay.address} ${relay.port}`, relay);
    }
    const admitted = [...relays.keys()].sort().join();
    if (admitted === this.#admitted) return;
    await this.#options.admitRelays([...relays.values()]);
    this.#admitted = admitted;
  }

  async #ask(
    upstream: TunnelUpstream,
    signal: AbortSignal,
  ): Promise<{ socket: Socket; address: string; port: number }> {
    const plan = planThrough(upstream, NOWHERE, this.#options.mark);
    const { socket, relay } = await associateThroughPlan(plan, { timeoutMs: ASSOCIATE_MS, signal });
    // Whatever address it names (its own behind a NAT, or none at all): the firewall lets nothing out to another one.
    const address = socket.remoteAddress;
    if (address === undefined) throw new DialError("connection_terminated").at("ask");
    return { socket, address, port: relay.port };
  }

  /** The proxy ended it, or never gave it. */
  #lost(id: AssociationId, association: Association): void {
    if (this.#open.get(keyOf(id)) !== association) return;
    this.#open.delete(keyOf(id));
    association.end();
    this.#device?.refuse(id);
  }
}

/** An association that is asked for, or open. */
class Association {
  readonly #dialling = new AbortController();
  #socket: Socket | undefined;
  relay: Endpoint | undefined;

  get signal(): AbortSignal {
    return this.#dialling.signal;
  }

  /** Keeps its connection open. @returns false when it is over already */
  keep(socket: Socket, relay: Endpoint, onEnd: () => void): boolean {
    if (this.signal.aborted) {
      socket.destroy();
      return false;
    }
    this.#socket = socket;
    this.relay = relay;
    socket.on("close", onEnd);
    socket.on("end", () => socket.destroy());
    socket.resume();
    return true;
  }

  end(): void {
    this.#dialling.abort();
    this.#socket?.destroy();
  }
}

function carries({ udp, protocol }: TunnelUpstream): boolean {
  return udp && protocol === "socks5";
}

function keyOf({ index, generation }: AssociationId): string {
  return `${index}.${generation}`;
}
