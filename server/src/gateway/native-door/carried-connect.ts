import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { CarriedConnection, StandingReply } from "@atlantic/native";
import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { Identity } from "../authenticator.ts";
import { type AdmittedFlow, flowHeaders } from "../flow-opener.ts";
import { askedExit } from "../http/asked-exit.ts";
import { errorAnswer } from "../http/error-answer.ts";
import { findHeadEnd, parseHead, REQUEST_HEAD_LIMITS } from "../http/head.ts";
import { readRequest } from "../http/request.ts";
import { type BegunTunnel, CarriedTunnel, type TunnelWords } from "./carried-tunnel.ts";
import type { Door } from "./native-door.ts";
import type { Asked } from "./standing-connects.ts";

/** "CONN", as a number of four bytes. */
const CONN = 0x4e_4e_4f_43;

/**
 * Requests that were read lately, by their header sections: clients ask for the same few targets again and again, and
 * the same text always means the same.
 */
const lately = new Map<string, AskedConnect>();
const MOST_KNOWN = 256;
const LONGEST_KNOWN = 2_048;

type AskedConnect = Extract<Asked, { protocol: "connect" }>;

interface FoundRequest {
  readonly asked: AskedConnect;
  /** How many bytes it took. */
  readonly used: number;
  /** Whether somebody said the same lately. */
  readonly again: boolean;
}

/**
 * The CONNECT request that a client's first bytes begin with, when it is all there and nothing about it is special.
 * Undefined for everything else: what is wrong with that is said where all requests are read.
 */
export function connectRequestIn(first: Buffer): FoundRequest | undefined {
  if (first.length < 16 || first.readUInt32LE(0) !== CONN) return undefined;
  try {
    const used = findHeadEnd(first, REQUEST_HEAD_LIMITS);
    if (used < 0) return undefined;
    const text = first.toString("latin1", 0, used - 4);
    const known = lately.get(text);
    if (known !== undefined) return { asked: known, used, again: true };
    const request = readRequest(parseHead(text, REQUEST_HEAD_LIMITS));
    if (request.method !== "CONNECT" || request.nodes !== undefined) return undefined;
    const asked: AskedConnect = { protocol: "connect", request };
    if (lately.size >= MOST_KNOWN) lately.clear();
    if (text.length <= LONGEST_KNOWN) lately.set(text, asked);
    return { asked, used, again: false };
  } catch {
    return undefined;
  }
}

/** What a client said. */
interface SaidConnect {
  readonly asked: AskedConnect;
  /** The header section, where others may say the same. */
  readonly head: Buffer | undefined;
  /** What the client said behind its request. */
  readonly early: Buffer;
  /** How it is carried already. */
  readonly begun?: BegunTunnel | undefined;
}

/** A client that asks for a tunnel with CONNECT, carried by the engine. */
export class CarriedConnect implements TunnelWords {
  readonly #door: Door;
  readonly #client: CarriedConnection;
  readonly #asked: AskedConnect;
  readonly #head: Buffer | undefined;
  readonly #begun: BegunTunnel | undefined;
  readonly #tunnel: CarriedTunnel;
  #identity: Identity | undefined;
  readonly endsInAddress = false;

  constructor(door: Door, client: CarriedConnection, { asked, head, early, begun }: SaidConnect) {
    this.#door = door;
    this.#client = client;
    this.#asked = asked;
    this.#head = head;
    this.#begun = begun;
    this.#tunnel = new CarriedTunnel(door, client, this, { early, begun });
  }

  open(): void {
    try {
      const { authenticator } = this.#door.context;
      const identity = authenticator.fromHeader(this.#asked.request.authorization, this.#client.address);
      if (identity instanceof Promise) identity.then((known) => this.#openFor(known)).catch(this.#refuse);
      else this.#openFor(identity);
    } catch (error) {
      this.#refuse(error);
    }
  }

  readonly #refuse = (error: unknown): void => this.#tunnel.refuse(error);

  #openFor(identity: Identity): void {
    const { target, optionFields } = this.#asked.request;
    const { host, port } = target;
    const requestId = this.#begun?.requestId;
    const wish = { protocol: "connect" as const, client: this.#client.address, host, port };
    this.#identity = askedExit(identity, optionFields);
    this.#tunnel.open(this.#identity, requestId === undefined ? wish : { ...wish, requestId });
  }

  carries(admitted: AdmittedFlow): void {
    const { context, standing } = this.#door;
    if (this.#head === undefined || !this.#identity) return;
    const uses = context.opener.foreseen(this.#identity, admitted);
    if (uses === 0) return;
    const { address: client } = this.#client;
    const reply = (): StandingReply => {
      const [before = "", behind = ""] = this.granted(admitted).split(admitted.flow.record.id);
      return { kind: "with id", before, behind };
    };
    standing.granted({ asked: this.#asked, head: this.#head, client, admitted, reply, uses });
  }

  granted(admitted: AdmittedFlow): string {
    return `HTTP/1.1 200 Connection established\r\n${flowHeaders(admitted)}\r\n`;
  }

  grantedBy(admitted: AdmittedFlow, _upstream: Socket): string {
    return this.granted(admitted);
  }

  refused(error: ProxyError): Buffer {
    const { quotaStatus } = this.#door.context.limits;
    return Buffer.from(
      errorAnswer(error, { requestId: randomUUID(), close: true, head: false, quotaStatus }),
    );
  }
}
