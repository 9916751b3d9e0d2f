import { createSocket, type Socket as DatagramSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { isIPv6, type Socket } from "node:net";
import { ProxyError, proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import { canonicalAddress } from "../address-rules.ts";
import type { Identity } from "../authenticator.ts";
import type { ClientConnection, GatewayContext } from "../context.ts";
import type { Flow } from "../flow.ts";
import type { AdmittedFlow } from "../flow-opener.ts";
import type { CheckedTarget } from "../target-guard.ts";
import type { DatagramLink, DatagramSource } from "./datagram-exit.ts";
import { DatagramGate } from "./datagram-gate.ts";
import { readDatagram, writeAddress, writeDatagram } from "./datagram-header.ts";
import { TargetChecks } from "./target-checks.ts";

const LINGER_MS = 2_000;
const RECEIVE_BUFFER_BYTES = 1_048_576;
/** What may wait until names are looked up; beyond that datagrams are dropped. */
const MAX_UNCHECKED_BYTES = 262_144;

export interface AssociationWish {
  /** The TCP connection that asked; it is the association's life. */
  readonly socket: Socket;
  readonly identity: Identity;
  /** The client's address. */
  readonly client: string;
  /** Where the client says it will send from; the unspecified address and port 0 say nothing. */
  readonly host: string;
  readonly port: number;
  readonly context: GatewayContext;
}

/**
 * Opens a UDP association (RFC 1928 §7) and looks after its TCP connection from then on, whatever comes of it. It adds
 * itself to the gateway's connections.
 */
export function openAssociation(wish: AssociationWish): ClientConnection {
  return new AssociationConnection(wish);
}

/** A SOCKS5 client's relay for datagrams. */
class AssociationConnection implements ClientConnection {
  readonly #wish: AssociationWish;
  readonly #clientAddress: string;
  readonly #checks: TargetChecks;
  /** Where the client's datagrams come from; 0 until the first one tells. */
  #clientPort: number;
  #flow: Flow | undefined;
  #relay: DatagramSocket | undefined;
  #link: DatagramLink | undefined;
  #up: DatagramGate | undefined;
  #down: DatagramGate | undefined;
  #uncheckedBytes = 0;
  /** When something moved last, or until when a refused client may linger. */
  #deadline: number;
  #over = false;

  constructor(wish: AssociationWish) {
    const { socket, client, context, identity } = wish;
    this.#wish = wish;
    this.#clientAddress = canonicalAddress(client) ?? client;
    this.#clientPort = this.#toldPort();
    this.#checks = new TargetChecks(
      (host, port) => context.opener.check(identity, host, port),
      context.now,
      context.credentialEpoch,
    );
    this.#deadline = context.now() + context.limits.connectMs * 2;
    context.connections.add(this);
    socket.on("end", () => this.#finish("ended"));
    socket.on("close", () => {
      context.connections.delete(this);
      this.#finish("ended");
    });
    socket.resume();
    this.#open().catch((error: unknown) => this.#refuse(proxyErrorOf(error)));
  }

  /** What a client behind a translation says of itself is wrong: then its first datagram tells. */
  #toldPort(): number {
    const told = canonicalAddress(this.#wish.host) ?? this.#wish.host;
    const unspecified = /^[0:.]+$/.test(told);
    return unspecified || told === this.#clientAddress ? this.#wish.port : 0;
  }

  async #open(): Promise<void> {
    const { identity, client, context, socket } = this.#wish;
    const wish = { protocol: "socks5" as const, client, host: "*", port: 0, datagrams: true as const };
    const admitted = await context.opener.admit(identity, wish);
    const { flow } = admitted;
    this.#flow = flow;
    this.#up = new DatagramGate(flow);
    this.#down = new DatagramGate(flow);
    flow.onCut((reason) => this.#finish(reason));
    const link = await this.#openLink(admitted);
    const relay = await this.#openRelay();
    if (this.#over || flow.end || socket.destroyed) {
      link.close();
      relay.close();
      this.#finish("connection_terminated");
      return;
    }
    this.#link = link;
    this.#relay = relay;
    this.#touch();
    const { address, port } = relay.address();
    socket.write(Buffer.concat([Buffer.from([5, 0, 0]), writeAddress(address, port)]));
  }

  /** By one exit after the other, as the flow's route says. */
  async #openLink(admitted: AdmittedFlow): Promise<DatagramLink> {
    const { opener, limits } = this.#wish.context;
    const deadline = performance.now() + limits.connectMs;
    let { exit } = admitted.route;
    for (;;) {
      try {
        if (exit.datagrams === undefined) throw new ProxyError("command_unsupported", NO_DATAGRAMS);
        const link = await exit.datagrams.open(
          (from, payload) => this.#orDrop(() => this.#onAnswer(from, payload)),
          (error) => this.#finish(error.code, true),
          deadline - performance.now(),
        );
        opener.connected(admitted);
        return link;
      } catch (error) {
        exit = opener.failed(admitted, error, performance.now() < deadline);
      }
    }
  }

  /** On the address that the client has reached, so that it can reach the relay as well. */
  async #openRelay(): Promise<DatagramSocket> {
    const { localAddress = "" } = this.#wish.socket;
    const address = canonicalAddress(localAddress) ?? localAddress;
    const type = isIPv6(address) ? "udp6" : "udp4";
    const relay = createSocket({ type, recvBufferSize: RECEIVE_BUFFER_BYTES });
    relay.on("message", (bytes, from) => this.#orDrop(() => this.#onClientDatagram(bytes, from)));
    relay.bind({ port: 0, address, exclusive: true });
    await once(relay, "listening");
    relay.on("error", () => {});
    return relay;
  }

  /** Whatever a datagram may do to us, it is dropped and nothing else. */
  #orDrop(carry: () => void): void {
    try {
      carry();
    } catch (error) {
      this.#wish.context.logger.error({ err: error }, "datagram dropped");
    }
  }

  #onClientDatagram(bytes: Buffer, { address, port }: RemoteInfo): void {
    if ((canonicalAddress(address) ?? address) !== this.#clientAddress) return;
    if (this.#clientPort !== 0 && port !== this.#clientPort) return;
    const datagram = readDatagram(bytes);
    if (datagram === undefined) return;
    this.#clientPort = port;
    const target = this.#checks.of(datagram.host, datagram.port);
    if (target instanceof Promise) this.#sendChecked(target, datagram.payload, bytes.length);
    else if (target) this.#send(target, datagram.payload);
  }

  #sendChecked(target: Promise<CheckedTarget | undefined>, payload: Buffer, bytes: number): void {
    if (this.#uncheckedBytes + bytes > MAX_UNCHECKED_BYTES) return;
    this.#uncheckedBytes += bytes;
    void target.then((checked) => {
      this.#uncheckedBytes -= bytes;
      if (checked) this.#orDrop(() => this.#send(checked, payload));
    });
  }

  #send(target: Parameters<DatagramLink["send"]>[0], payload: Buffer): void {
    const flow = this.#flow;
    this.#up?.pass(payload.length, () => {
      if (flow === undefined) return;
      if (this.#over || this.#link === undefined) {
        flow.limits.allowance.add(payload.length);
        return;
      }
      this.#touch();
      this.#link.send(target, payload, (taken) => {
        if (taken && flow.end === undefined) flow.sentBytes += payload.length;
        else flow.limits.allowance.add(payload.length);
      });
    });
  }

  #onAnswer({ address, port }: DatagramSource, payload: Buffer): void {
    const flow = this.#flow;
    if (this.#over || this.#clientPort === 0) return;
    this.#down?.pass(payload.length, () => {
      if (flow === undefined) return;
      if (this.#over || this.#relay === undefined || flow.end) {
        flow.limits.allowance.add(payload.length);
        return;
      }
      this.#touch();
      flow.receivedBytes += payload.length;
      const datagram = writeDatagram({ host: address, port, payload });
      this.#relay.send(datagram, this.#clientPort, this.#clientAddress, () => {});
    });
  }

  #touch(): void {
    this.#deadline = this.#wish.context.now() + this.#wish.context.limits.idleMs;
  }

  #refuse(error: ProxyError): void {
    const { socket, context } = this.#wish;
    if (error.code === "internal") context.logger.error({ err: error.cause ?? error }, "association failed");
    context.told(error);
    const { socks } = proxyErrors[error.code];
    this.#deadline = context.now() + LINGER_MS;
    socket.end(
      Buffer.concat([
        Buffer.from([5, socks === "authentication" ? 1 : socks, 0]),
        writeAddress("0.0.0.0", 0),
      ]),
    );
    socket.once("end", () => socket.destroySoon());
    this.#close(error.code, true);
  }

  /** Ends the association and, with it, the TCP connection. */
  #finish(outcome: string, failed = false): void {
    if (this.#over) return;
    this.#close(outcome, failed);
    this.#wish.socket.destroySoon();
  }

  #close(outcome: string, failed: boolean): void {
    this.#over = true;
    this.#relay?.close();
    this.#link?.close();
    this.#flow?.finish(outcome, failed);
  }

  checkDeadline(now: number): void {
    if (now < this.#deadline) return;
    if (this.#over) this.#wish.socket.destroy();
    else this.#finish("idle");
  }

  /** An association is like a tunnel: it goes on until the client ends it. */
  drain(): void {}

  destroy(): void {
    this.#finish("closing");
    this.#wish.socket.destroy();
  }
}

const NO_DATAGRAMS = "The exit carries no UDP. Choose another exit, or use TCP.";
