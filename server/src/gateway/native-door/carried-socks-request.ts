import type { Socket } from "node:net";
import type { CarriedConnection } from "@atlantic/native";
import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { Identity } from "../authenticator.ts";
import type { AdmittedFlow } from "../flow-opener.ts";
import { readGreeting, readLogin, reply, type SocksRequest } from "../socks5/messages.ts";
import { refusalOf } from "../socks5/socks-dialogue.ts";
import { type BegunTunnel, CarriedTunnel, type TunnelWords } from "./carried-tunnel.ts";
import type { SocksLogin } from "./known-logins.ts";
import type { Door } from "./native-door.ts";
import type { Asked } from "./standing-connects.ts";

const GRANTED = reply(0);

/** What was asked lately, by all that was said for it: the same text always means the same. */
const lately = new Map<string, AskedSocks>();
const MOST_KNOWN = 256;

type AskedSocks = Extract<Asked, { protocol: "socks5" }>;

/**
 * What clients ask that say the same; undefined where nobody has said it lately.
 * @param said greeting, login and request
 */
export function askedAgain(
  said: Buffer,
  login: SocksLogin,
  { host, port }: SocksRequest,
): AskedSocks | undefined {
  const text = said.toString("latin1");
  const known = lately.get(text);
  if (known !== undefined) return known;
  if (lately.size >= MOST_KNOWN) lately.clear();
  lately.set(text, { protocol: "socks5", login, host, port });
  return undefined;
}

/** The login that is said behind a greeting, both of which are good; undefined while it is not all there. */
export function loginBehindGreeting(said: Buffer): SocksLogin | undefined {
  const start = readGreeting(said)?.used;
  const login = start === undefined ? undefined : readLogin(said.subarray(start));
  if (start === undefined || login === undefined) return undefined;
  // A copy: it is kept longer than what was said behind it.
  return { bytes: Buffer.from(said.subarray(start, start + login.used)), ...login.message };
}

/** What a client said. */
interface SaidSocks {
  readonly target: { readonly host: string; readonly port: number };
  /** All of it up to its request, where others may say the same, and what that asks. */
  readonly again: { readonly asked: AskedSocks; readonly head: Buffer } | undefined;
  /** What it said behind. */
  readonly early: Buffer;
  /** How it is carried already. */
  readonly begun?: BegunTunnel;
}

/** A SOCKS5 client that asks for a tunnel, carried by the engine. */
export class CarriedSocksRequest implements TunnelWords {
  readonly #door: Door;
  readonly #client: CarriedConnection;
  readonly #said: SaidSocks;
  readonly #tunnel: CarriedTunnel;
  #identity: Identity | undefined;
  readonly endsInAddress = true;

  constructor(door: Door, client: CarriedConnection, said: SaidSocks) {
    this.#door = door;
    this.#client = client;
    this.#said = said;
    this.#tunnel = new CarriedTunnel(door, client, this, { early: said.early, begun: said.begun });
  }

  /** Asks about the login, which the engine has taken for right. */
  open({ bytes, username, password }: SocksLogin): void {
    const { address } = this.#client;
    const open = (identity: Identity) => {
      this.#door.logins.wasRight(address, bytes);
      this.openFor(identity);
    };
    try {
      const identity = this.#door.context.authenticator.fromLogin(username, password, address);
      if (identity instanceof Promise) identity.then(open).catch(this.#refuse);
      else open(identity);
    } catch (error) {
      this.#refuse(error);
    }
  }

  readonly #refuse = (error: unknown): void => {
    this.#door.logins.withdraw();
    this.#tunnel.refuse(error);
  };

  openFor(identity: Identity): void {
    const { begun, target } = this.#said;
    const { host, port } = target;
    this.#identity = identity;
    const wish = { protocol: "socks5" as const, client: this.#client.address, host, port };
    this.#tunnel.open(identity, begun === undefined ? wish : { ...wish, requestId: begun.requestId });
  }

  carries(admitted: AdmittedFlow): void {
    const { context, standing } = this.#door;
    const { again } = this.#said;
    if (again === undefined || !this.#identity) return;
    const uses = context.opener.foreseen(this.#identity, admitted);
    if (uses === 0) return;
    const { address: client } = this.#client;
    const reply = () => ({ kind: "ends in address" as const, bytes: GRANTED });
    standing.granted({ ...again, client, admitted, reply, uses });
  }

  granted(): Buffer {
    return GRANTED;
  }

  grantedBy(_admitted: AdmittedFlow, upstream: Socket): Buffer {
    return reply(0, { address: upstream.localAddress ?? "", port: upstream.localPort ?? 0 });
  }

  refused(error: ProxyError): Buffer {
    return refusalOf(error);
  }
}
