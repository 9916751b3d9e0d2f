import { nativeAddon } from "../addon.ts";
import { CommandWriter } from "../engine/command-writer.ts";
import type { NativeTunnelDevice } from "../engine/native-addon.ts";
import { systemErrorOf } from "../system-error.ts";

/** One local socket's association at a proxy, by the number that the device gave it. */
export interface AssociationId {
  readonly index: number;
  readonly generation: number;
}

/** Whoever decides about what comes through the device. Called on JavaScript's thread. */
export interface DeviceListener {
  /** A local socket sends datagrams: `relay` or `refuse` is to be called for it. */
  onAssociate(id: AssociationId): void;
  /** Nothing moved for long, or the proxy's relay is gone. */
  onEnded(id: AssociationId): void;
  /** The name that a fake address stands for; undefined for none. */
  nameOf(fake: string): string | undefined;
  /** A link, an address, a route or a rule of the machine has changed. */
  onNetwork(): void;
  /** The device is gone without having been closed. */
  onLost(): void;
}

/** What comes and goes through the device; packets are counted, datagrams one by one. */
export interface DeviceCounters {
  readonly sentDatagrams: number;
  readonly sentBytes: number;
  readonly receivedDatagrams: number;
  readonly receivedBytes: number;
  readonly refusedPackets: number;
  readonly droppedPackets: number;
  readonly associations: number;
}

/** See carrier/src/tunnel/protocol.rs. */
const verbs = { datagrams: 1, relay: 2, refuse: 3, name: 4 } as const;
const events = { associate: 1, ended: 2, name: 3, network: 4 } as const;
const datagramStates = { refused: 0, carried: 1, held: 2 } as const;
const EVENT_BYTES = 65_536;

/** The tunnel's device, and the native thread that serves it. It goes when the process does. */
export class TunnelDevice {
  readonly #native: NativeTunnelDevice;
  readonly #listener: DeviceListener;
  readonly #commands = new CommandWriter();
  readonly #events = Buffer.allocUnsafeSlow(EVENT_BYTES);
  #flushing = false;
  #closed = false;

  /** @throws Error that says what stands in the way */
  constructor(name: string, listener: DeviceListener) {
    const addon = nativeAddon();
    if (addon === null)
      throw new Error("There is no device without the native addon: run npm run build:native.");
    this.#listener = listener;
    try {
      this.#native = new addon.TunnelDevice(name, () => this.#dispatch());
    } catch (error) {
      throw deviceError(name, error);
    }
  }

  /** The link's index: another one after the device was made again. */
  get index(): number {
    return this.#native.index;
  }

  /** What becomes of datagrams; all associations end. Held ones are dropped without a word. */
  setDatagrams(state: keyof typeof datagramStates): void {
    this.#begin(verbs.datagrams, { index: 0, generation: 0 }).number(datagramStates[state]);
    this.#commands.end();
  }

  /** Where an association's datagrams go, from a socket with this mark. `address` is a literal one. */
  relay(id: AssociationId, address: string, port: number, mark: number): void {
    const writer = this.#begin(verbs.relay, id);
    writer.number(mark);
    writer.number(port);
    writer.text(address);
    writer.end();
  }

  refuse(id: AssociationId): void {
    this.#begin(verbs.refuse, id).end();
  }

  counters(): DeviceCounters {
    const [
      sentDatagrams = 0,
      sentBytes = 0,
      receivedDatagrams = 0,
      receivedBytes = 0,
      refusedPackets = 0,
      droppedPackets = 0,
      associations = 0,
    ] = this.#native.counters();
    return {
      sentDatagrams,
      sentBytes,
      receivedDatagrams,
      receivedBytes,
      refusedPackets,
      droppedPackets,
      associations,
    };
  }

  /** Takes the device away; its addresses and routes go with it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.close();
  }

  #begin(verb: number, { index, generation }: AssociationId): CommandWriter {
    if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    }
    this.#commands.begin(verb, index, generation);
    return this.#commands;
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#commands.isEmpty) this.#native.submit(this.#commands.take());
  }

  #dispatch(): void {
    for (let more = true; more && !this.#closed; ) {
      const count = this.#native.takeEvents(this.#events);
      more = count < 0;
      this.#readEvents(Math.abs(count));
    }
    if (this.#closed || this.#native.alive) return;
    this.#closed = true;
    this.#listener.onLost();
  }

  #readEvents(end: number): void {
    const bytes = this.#events;
    for (let at = 0; at < end; at += bytes.readUInt32LE(at)) {
      const id = { index: bytes.readUInt32LE(at + 8), generation: bytes.readUInt32LE(at + 12) };
      const kind = bytes.readUInt32LE(at + 4);
      if (kind === events.associate) this.#listener.onAssociate(id);
      else if (kind === events.ended) this.#listener.onEnded(id);
      else if (kind === events.network) this.#listener.onNetwork();
      else if (kind === events.name) {
        this.#tellName(bytes.toString("latin1", at + 20, at + 20 + bytes.readUInt32LE(at + 16)));
      }
    }
  }

  #tellName(fake: string): void {
    const writer = this.#begin(verbs.name, { index: 0, generation: 0 });
    writer.text(fake);
    writer.text(this.#listener.nameOf(fake) ?? "");
    writer.end();
  }
}

const obstacles: Record<string, string> = {
  EBUSY: "another process has it. Is the daemon running already?",
  EINVAL: "there is a link of another kind with this name. Delete it: ip link delete",
  EPERM: "it takes CAP_NET_ADMIN. Run it as the service does.",
  EACCES: "/dev/net/tun may not be opened. The service's unit allows it.",
  ENOENT: "this system has no /dev/net/tun. Load the module tun.",
};

function deviceError(name: string, error: unknown): Error {
  const cause = systemErrorOf(error);
  const obstacle = obstacles[cause.code] ?? cause.code;
  return new Error(`The device ${name} cannot be made: ${obstacle}`, { cause });
}
