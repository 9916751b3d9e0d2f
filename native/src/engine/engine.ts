import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import { nativeAddon } from "../addon.ts";
import { type Allowance, type AllowanceEvents, unlimitedAllowance } from "../allowance.ts";
import { type Rate, unlimitedRate } from "../rate.ts";
import { descriptorOf } from "../socket-descriptor.ts";
import { systemErrorOf } from "../system-error.ts";
import { CarriedConnection, type ConnectionOwner } from "./carried-connection.ts";
import { CommandWriter } from "./command-writer.ts";
import { EventReader } from "./event-reader.ts";
import { ForwardedConnection, type ForwardListener, type ForwardOrder } from "./forwarded-connection.ts";
import type { NativeCarrier } from "./native-addon.ts";
import { events, FIRST_ADOPTED, outcomes, verbs } from "./protocol.ts";
import { SharedAllowance } from "./shared-allowance.ts";
import { SharedRate } from "./shared-rate.ts";
import {
  type KnownLogin,
  type StandingConnect,
  type StandingPlan,
  writeKnownLogin,
  writeStandingConnect,
  writeStandingPlan,
} from "./standing.ts";

/** Where beside the listener's number it stands how many of the client's words were answered. */
const ANSWERED = 30;

export interface CarrierListenOptions {
  /** An address. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Share the port with other processes (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** How long a client may be silent before its first byte, and whenever it is listened to again, in milliseconds. */
  readonly headerMs: number;
  /** How many clients may be connected without having said anything. Of more, the oldest is closed. */
  readonly maxSilent: number;
  /** SOCKS5 greetings that offer user name and password are answered so at once (RFC 1928 §3), without a decision. */
  readonly greets?: boolean;
  /**
   * A client has said its first bytes: whoever decides about it listens to it before this returns. `answered`: how
   * many of the messages that they begin with were answered, the greeting of SOCKS5 and a login that is known.
   */
  readonly onClient: (client: CarriedConnection, first: Buffer, answered: number) => void;
  /**
   * A client is being carried as was decided in advance: whoever looks after it listens to it before this returns.
   * `early`: what it said behind its request, which its target hears.
   */
  readonly onStood?: (client: CarriedConnection, standing: number, requestId: string, early: Buffer) => void;
}

export interface CarrierListener {
  readonly address: string;
  readonly port: number;
  /** Accepts nobody any more, and sends those away who have not said anything; the others stay. */
  stop(): void;
}

export interface CarrierDoor extends CarrierListener {
  /** From now on, in place of what stood for this header section; null: nothing stands any more. */
  standConnect(connect: StandingConnect | null): void;
  /** Who shows this login of SOCKS5 is told that it is right, and shown with its request; null: none is known. */
  knowLogin(login: KnownLogin | null): void;
}

export interface CarrierDivertOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** A flow that the firewall diverts: whoever decides about it listens to it before this returns. */
  readonly onFlow: (
    flow: CarriedConnection,
    target: { readonly address: string; readonly port: number },
    /** The plan that it is being carried by already, by its number; 0: none. */
    standing: number,
  ) => void;
}

export interface CarrierDiverter extends CarrierListener {
  /** From now on; null: all flows are decided about one by one. Flows that began before may still be shown after it. */
  stand(plan: StandingPlan | null): void;
}

/** Two connected sockets to relay between. Times in milliseconds. */
export interface AdoptedPair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly fromClient: Buffer;
  readonly fromUpstream: Buffer;
  readonly allowance: number;
  readonly rate: number;
  readonly idleMs: number;
  readonly halfOpenIdleMs: number;
}

const EVENT_BYTES = 262_144;
const BACKLOG = 4_096;

/**
 * The native engine of this process: a thread that accepts, dials and moves bytes. JavaScript decides, once for each
 * flow. Commands are sent together at the end of a turn, events come together.
 */
export class CarrierEngine implements ConnectionOwner {
  readonly #carrier: NativeCarrier;
  readonly #events = Buffer.allocUnsafeSlow(EVENT_BYTES);
  readonly #commands = new CommandWriter();
  readonly #accepted: (CarriedConnection | undefined)[] = [];
  readonly #adopted: (CarriedConnection | undefined)[] = [];
  readonly #freeAdopted: number[] = [];
  readonly #generations: number[] = [];
  readonly #allowances = new Map<number, WeakRef<SharedAllowance>>();
  readonly #listeners = new Map<number, Pick<CarrierListenOptions, "onClient" | "onStood">>();
  readonly #diverts = new Map<number, CarrierDivertOptions["onFlow"]>();
  #nextListener = 1;
  readonly #onDeath = new Set<() => void>();
  #stopped = false;
  #dispatching = false;
  #flushing = false;

  constructor(carrier: new (tell: () => void) => NativeCarrier) {
    this.#carrier = new carrier(() => this.#dispatch());
  }

  /** Whether its thread runs. When it has died nothing moves any more, and nothing is accepted. */
  get isAlive(): boolean {
    return this.#carrier.alive;
  }

  /** Calls back when the thread has died by itself; the returned function stops that. */
  onDeath(listener: () => void): () => void {
    this.#onDeath.add(listener);
    return () => this.#onDeath.delete(listener);
  }

  /** @throws the listen error, EADDRINUSE among them */
  listen({ onClient, onStood, greets = false, ...options }: CarrierListenOptions): CarrierDoor {
    const number = this.#nextListener++;
    const bound = this.#bind({ ...options, greets, number, backlog: BACKLOG, diverts: false });
    const stood = onStood && { onStood };
    this.#listeners.set(number, { onClient, ...stood });
    // Those that are being carried already are told of a moment later.
    const stopped = { onClient: (client: CarriedConnection) => client.close(), ...stood };
    return {
      ...this.#listenerOf(number, bound, () => this.#listeners.set(number, stopped)),
      standConnect: (connect) => writeStandingConnect(this.writer(), number, connect),
      knowLogin: (login) => writeKnownLogin(this.writer(), number, login),
    };
  }

  /**
   * Listens for flows that the firewall diverts here (nft redirect). They are shown at once, before the client says
   * anything; who connects here by itself is reset.
   * @throws the listen error, EADDRINUSE among them
   */
  divert({ onFlow, ...options }: CarrierDivertOptions): CarrierDiverter {
    const number = this.#nextListener++;
    const unused = { reusePort: false, headerMs: 0, maxSilent: 0, greets: false };
    const bound = this.#bind({ ...options, ...unused, number, backlog: BACKLOG, diverts: true });
    this.#diverts.set(number, onFlow);
    const forget = () => this.#diverts.delete(number);
    return {
      ...this.#listenerOf(number, bound, forget),
      stand: (plan) => writeStandingPlan(this.writer(), number, plan),
    };
  }

  #listenerOf(
    number: number,
    bound: { address: string; port: number },
    stopped: () => void,
  ): CarrierListener {
    // As a server of Node does: the process lives as long as it listens.
    const keepAlive = setInterval(() => {}, 2 ** 30);
    return {
      ...bound,
      stop: () => {
        clearInterval(keepAlive);
        stopped();
        this.#carrier.stopListening(number);
      },
    };
  }

  #bind(options: Parameters<NativeCarrier["listen"]>[0]): { address: string; port: number } {
    try {
      return this.#carrier.listen(options);
    } catch (error) {
      const cause = systemErrorOf(error);
      const { host: address, port } = options;
      cause.message = `listen ${cause.message}: ${address}:${port}`;
      throw Object.assign(cause, { address, port, syscall: "listen" });
    }
  }

  /**
   * Takes two sockets over and relays between them; they are destroyed here without ending their connections.
   * @returns undefined when one of them has no descriptor
   */
  adopt({ client, upstream, ...options }: AdoptedPair): CarriedConnection | undefined {
    const descriptors = this.#descriptorsOf(client, upstream);
    if (descriptors === undefined) return undefined;
    const connection = this.reserve();
    this.#carrier.adopt({
      index: connection.index,
      generation: connection.generation,
      ...descriptors,
      ...options,
    });
    return connection;
  }

  /**
   * Has the plain exchanges of two sockets forwarded, between two requests; the sockets are destroyed here without
   * ending their connections.
   * @returns undefined when one of them is no TCP connection, or the engine is gone
   */
  forward(
    { client, upstream, ...order }: ForwardOrder,
    listener: ForwardListener,
  ): ForwardedConnection | undefined {
    const descriptors = this.#descriptorsOf(client, upstream);
    if (descriptors === undefined) return undefined;
    const place = this.reserve();
    const { index, generation } = place;
    const requests = () => this.#carrier.requests(index, generation);
    const connection = new ForwardedConnection(place, requests, listener, () => this.#forget(index));
    this.#carrier.forward({
      index,
      generation,
      ...descriptors,
      ...order,
    });
    client.destroy();
    upstream.destroy();
    return connection;
  }

  /** Descriptors of the engine's own for two sockets; undefined when one has none, or there are none left. */
  #descriptorsOf(client: Socket, upstream: Socket): { client: number; upstream: number } | undefined {
    const [clientFd, upstreamFd] = [descriptorOf(client), descriptorOf(upstream)];
    if (clientFd === undefined || upstreamFd === undefined || !this.isAlive) return undefined;
    const own: number[] = [];
    try {
      for (const fd of [clientFd, upstreamFd]) own.push(this.#carrier.duplicate(fd));
    } catch {
      for (const fd of own) closeSync(fd);
    }
    const [first, second] = own;
    return first === undefined || second === undefined ? undefined : { client: first, upstream: second };
  }

  /** A place among the connections that are handed to the engine, until the engine says that it is closed. */
  reserve(): CarriedConnection {
    const place = this.#freeAdopted.pop() ?? this.#generations.length;
    const generation = (this.#generations[place] ?? 0) + 1;
    this.#generations[place] = generation;
    const connection = new CarriedConnection(this, FIRST_ADOPTED + place, generation, "");
    this.#adopted[place] = connection;
    return connection;
  }

  createAllowance(lowBelow: number, listener: AllowanceEvents): Allowance {
    const state = this.#carrier.allowance(lowBelow);
    const allowance = new SharedAllowance(state, listener, () => this.#refilled(state.handle));
    // Flows keep what they need of it: it goes when nobody refills it any more.
    this.#allowances.set(state.handle, new WeakRef(allowance));
    return allowance;
  }

  createRate(bytesPerSecond: number | null): Rate {
    return new SharedRate(this.#carrier.rate(bytesPerSecond ?? -1));
  }

  #refilled(handle: number): void {
    const writer = this.writer();
    writer.begin(verbs.refilled, handle, 0);
    writer.end();
  }

  writer(): CommandWriter {
    if (!this.#dispatching && !this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    }
    return this.#commands;
  }

  totals(index: number, generation: number): readonly [number, number] | null {
    return this.#carrier.totals(index, generation);
  }

  /** Ends the thread; every socket that it has is closed. */
  stop(): void {
    this.#stopped = true;
    this.#carrier.stop();
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#commands.isEmpty) this.#carrier.submit(this.#commands.take());
  }

  #dispatch(): void {
    this.#dispatching = true;
    try {
      for (let more = true; more; ) {
        const count = this.#carrier.takeEvents(this.#events);
        more = count < 0;
        this.#readEvents(Math.abs(count));
        this.#flush();
      }
    } finally {
      this.#dispatching = false;
      this.#flush();
    }
    if (this.isAlive || this.#stopped) return;
    this.#stopped = true;
    for (const listener of this.#onDeath) listener();
  }

  #readEvents(end: number): void {
    const bytes = this.#events;
    for (let at = 0; at < end; ) {
      const next = at + bytes.readUInt32LE(at);
      const kind = bytes.readUInt32LE(at + 4);
      const index = bytes.readUInt32LE(at + 8);
      if (kind >= events.low && kind <= events.returned) this.#tellOfAllowance(kind, index);
      else this.#readEvent(kind, index, bytes.readUInt32LE(at + 12), at + 16, next);
      at = next;
    }
  }

  #readEvent(kind: number, index: number, generation: number, at: number, end: number): void {
    const connection = this.#find(index, generation);
    if (kind === events.data) {
      this.#readData(connection, index, generation, at, end);
      return;
    }
    const body = this.#events.subarray(at, end);
    const reader = new EventReader(body);
    if (kind === events.diverted) this.#readDiverted(index, generation, reader);
    else if (kind === events.stood) this.#readStood(index, generation, reader);
    else if (connection === undefined) return;
    else if (kind === events.dialled) connection.reportDialled(reader.number());
    else if (kind === events.failed) {
      connection.reportFailed({
        stage: reader.number(),
        reason: reader.number(),
        errno: reader.number(),
        orders: reader.number(),
        answer: reader.rest(),
      });
    } else if (kind === events.taken) {
      this.#forget(index);
      connection.reportTaken(reader.number());
    } else if (kind === events.closed) {
      this.#forget(index);
      const totals = { sentBytes: reader.large(), receivedBytes: reader.large() };
      connection.reportClosed(outcomes[reader.number()] ?? "ended", totals);
    } else connection.reportOther(kind, body);
  }

  #readData(
    known: CarriedConnection | undefined,
    index: number,
    generation: number,
    at: number,
    end: number,
  ): void {
    const addressEnd = at + 8 + this.#events.readUInt32LE(at + 4);
    const said = this.#events.subarray(addressEnd, end);
    if (known) {
      known.reportData(said);
      return;
    }
    const address = this.#events.toString("latin1", at + 8, addressEnd);
    const connection = this.#accept(index, generation, address);
    const listener = this.#events.readUInt32LE(at);
    const found = this.#listeners.get(listener & ((1 << ANSWERED) - 1));
    if (found) found.onClient(connection, said, listener >>> ANSWERED);
    else connection.close();
  }

  #readStood(index: number, generation: number, reader: EventReader): void {
    const onStood = this.#listeners.get(reader.number())?.onStood;
    const standing = reader.number();
    const connection = this.#accept(index, generation, reader.text());
    const requestId = reader.text();
    if (onStood) onStood(connection, standing, requestId, reader.rest());
    else connection.cut();
  }

  #readDiverted(index: number, generation: number, reader: EventReader): void {
    const onFlow = this.#diverts.get(reader.number());
    const standing = reader.number();
    const from = reader.endpoint();
    const target = reader.endpoint();
    const connection = this.#accept(index, generation, from.address);
    if (onFlow) onFlow(connection, target, standing);
    else connection.cut();
  }

  #accept(index: number, generation: number, address: string): CarriedConnection {
    const connection = new CarriedConnection(this, index, generation, address);
    this.#accepted[index] = connection;
    return connection;
  }

  #find(index: number, generation: number): CarriedConnection | undefined {
    const found = index < FIRST_ADOPTED ? this.#accepted[index] : this.#adopted[index - FIRST_ADOPTED];
    return found?.generation === generation ? found : undefined;
  }

  #forget(index: number): void {
    if (index < FIRST_ADOPTED) {
      this.#accepted[index] = undefined;
      return;
    }
    this.#adopted[index - FIRST_ADOPTED] = undefined;
    this.#freeAdopted.push(index - FIRST_ADOPTED);
  }

  #tellOfAllowance(kind: number, handle: number): void {
    const allowance = this.#allowances.get(handle)?.deref();
    if (allowance === undefined) this.#allowances.delete(handle);
    else if (kind === events.low) allowance.reportLow();
    else if (kind === events.dry) allowance.reportDry();
    else allowance.reportReturned();
  }
}

let engine: CarrierEngine | null | undefined;

/** The engine of this process, started when it is first asked for; null where there is none, or ATLANTIC_NATIVE=off. */
export function carrierEngine(): CarrierEngine | null {
  if (engine === undefined) {
    const carrier = process.env.ATLANTIC_NATIVE === "off" ? undefined : nativeAddon()?.Carrier;
    engine = carrier ? new CarrierEngine(carrier) : null;
  }
  return engine;
}

/** The engine's handle of an allowance: 0 for none at all; undefined when it is of JavaScript alone. */
export function handleOfAllowance(allowance: Allowance): number | undefined {
  if (allowance === unlimitedAllowance) return 0;
  return allowance instanceof SharedAllowance ? allowance.handle : undefined;
}

/** The same of a rate. */
export function handleOfRate(rate: Rate): number | undefined {
  if (rate === unlimitedRate) return 0;
  return rate instanceof SharedRate ? rate.handle : undefined;
}
