import type { Socket } from "node:net";
import { type AssociationId, associateThroughPlan, DialError, type TunnelDevice } from "@atlantic/native";
import type { TunnelUpstream } from "./tunnel.ts";
import { planThrough } from "./upstream-plan.ts";

const ASSOCIATE_MS = 10_000;
const NOWHERE = { host: "0.0.0.0", port: 0 };

export interface UdpAssociationOptions {
  readonly mark: number;
  readonly onDialFailed: (upstream: TunnelUpstream, error: DialError) => void;
}

/**
 * Has the proxy relay datagrams: a UDP association for each local socket that sends some (RFC 1928 §7), open as long as
 * its connection is. Native code moves the datagrams.
 */
export class UdpAssociations {
  readonly #options: UdpAssociationOptions;
  readonly #open = new Map<string, Association>();
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
    this.#ask(upstream, association.signal).then(
      ({ socket, address, port }) => {
        if (!association.keep(socket, () => this.#lost(id, association))) return;
        device.relay(id, address, port, this.#options.mark);
      },
      (error: unknown) => {
        if (this.#open.get(keyOf(id)) !== association) return;
        this.#lost(id, association);
        if (error instanceof DialError) this.#options.onDialFailed(upstream, error);
      },
    );
  }

  ended(id: AssociationId): void {
    this.#open.get(keyOf(id))?.end();
    this.#open.delete(keyOf(id));
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

  get signal(): AbortSignal {
    return this.#dialling.signal;
  }

  /** Keeps its connection open. @returns false when it is over already */
  keep(socket: Socket, onEnd: () => void): boolean {
    if (this.signal.aborted) {
      socket.destroy();
      return false;
    }
    this.#socket = socket;
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
