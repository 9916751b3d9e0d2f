import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { CheckedTarget } from "../target-guard.ts";
import type { DatagramExit, DatagramLink, DatagramSource } from "./datagram-exit.ts";

/** Targets whose answers are let in; the oldest is forgotten beyond that. */
const MAX_TARGETS = 4_096;

/**
 * Datagrams from this machine itself. Answers are only let in from where something was sent to: nobody else can make
 * the account pay for what it did not ask for.
 *
 * @param address where loopback targets see them come from; others see the system's own address
 */
export function localDatagrams(address?: string): DatagramExit {
  return {
    open: async (receive) => new LocalLink(address, receive),
  };
}

class LocalLink implements DatagramLink {
  readonly #address: string | undefined;
  readonly #receive: (from: DatagramSource, payload: Buffer) => void;
  readonly #sockets = new Map<string, Socket>();
  readonly #targets = new Set<string>();
  #closed = false;

  constructor(address: string | undefined, receive: (from: DatagramSource, payload: Buffer) => void) {
    this.#address = address;
    this.#receive = receive;
  }

  send({ addresses, addressPort }: CheckedTarget, payload: Buffer, done: (taken: boolean) => void): void {
    const [address] = addresses;
    if (address === undefined || this.#closed) {
      done(false);
      return;
    }
    this.#remember(nameOf(address, addressPort));
    // An ICMP error of an earlier datagram may be reported here: datagrams get lost, and that is all.
    this.#socketFor(address).send(payload, addressPort, address, (error) => done(error === null));
  }

  #remember(target: string): void {
    this.#targets.delete(target);
    this.#targets.add(target);
    if (this.#targets.size <= MAX_TARGETS) return;
    for (const oldest of this.#targets) {
      this.#targets.delete(oldest);
      return;
    }
  }

  #socketFor(target: string): Socket {
    const from = target.startsWith("127.") ? this.#address : undefined;
    const key = `${isIPv6(target) ? "udp6" : "udp4"} ${from ?? ""}`;
    const existing = this.#sockets.get(key);
    if (existing) return existing;
    const socket = createSocket(isIPv6(target) ? "udp6" : "udp4");
    socket.on("error", () => {});
    socket.on("message", (payload, source) => this.#onMessage(payload, source));
    if (from !== undefined) socket.bind(0, from);
    this.#sockets.set(key, socket);
    return socket;
  }

  #onMessage(payload: Buffer, { address, port }: RemoteInfo): void {
    if (!this.#closed && this.#targets.has(nameOf(address, port))) this.#receive({ address, port }, payload);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const socket of this.#sockets.values()) socket.close();
  }
}

function nameOf(address: string, port: number): string {
  return `${address} ${port}`;
}
