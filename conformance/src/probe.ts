import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expectThat, Finding, hexOf, shown } from "./finding.ts";
import type { Subject } from "./subject.ts";
import { type Request, type Response, readRequest, readResponse } from "./wire/message.ts";
import { Origin } from "./wire/origin.ts";
import { openWire, PATIENCE_MS, Wire } from "./wire/wire.ts";

export const OK = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\nok";

/** How a request was taken: refused, or sent on. */
export type Taken =
  | { readonly kind: "refused"; readonly response: Response }
  | { readonly kind: "closed" }
  | { readonly kind: "forwarded"; readonly request: Request; readonly origin: Wire };

/** What a case has in its hands: a proxy to speak to and targets of its own, all closed when the case is over. */
export class Probe {
  readonly subject: Subject;
  readonly #origins: Origin[] = [];
  readonly #wires: Wire[] = [];

  constructor(subject: Subject) {
    this.subject = subject;
  }

  /** A connection to the proxy. @param from the loopback address that it comes from */
  async client(from?: string): Promise<Wire> {
    const { host, port } = this.subject;
    if (from === undefined) return this.#keep(await openWire(host, port));
    const socket = connect({ host, port, localAddress: from, allowHalfOpen: true, noDelay: true });
    await once(socket, "connect");
    return this.#keep(new Wire(socket, "client"));
  }

  /** A connection to the proxy where it speaks SOCKS5. */
  async socksClient(): Promise<Wire> {
    return this.#keep(await openWire(this.subject.host, this.subject.socksPort ?? this.subject.port));
  }

  #keep(wire: Wire): Wire {
    this.#wires.push(wire);
    return wire;
  }

  /** A target. @param host the address that it listens on; `::` for every one */
  async origin(host?: string): Promise<Origin> {
    const origin = await new Origin().listen(host);
    this.#origins.push(origin);
    return origin;
  }

  close(): void {
    for (const { socket } of this.#wires) socket.destroy();
    for (const origin of this.#origins) origin.close();
  }

  /** The field line that shows the credential; empty where none is asked for. */
  get auth(): string {
    const { credential } = this.subject;
    return credential === null ? "" : basic(`${credential.username}:${credential.password}`);
  }

  /** A GET in absolute form. @param fields whole lines, each ended */
  get(origin: Origin, fields = "", path = "/", method = "GET"): string {
    const { authority } = origin;
    return `${method} http://${authority}${path} HTTP/1.1\r\nHost: ${authority}\r\n${this.auth}${fields}\r\n`;
  }

  /** A POST whose body follows; the fields give its length. */
  post(origin: Origin, fields: string, body = "", version = "1.1"): string {
    const { authority } = origin;
    return `POST http://${authority}/ HTTP/${version}\r\nHost: ${authority}\r\n${this.auth}${fields}\r\n${body}`;
  }

  /** Sends a request through, lets the origin answer, and tells what each side saw. @throws Finding */
  async exchange(
    request: (origin: Origin) => string,
    answer: string = OK,
    options: { bodiless?: boolean } = {},
  ): Promise<{ request: Request; response: Response; client: Wire; target: Wire; origin: Origin }> {
    const origin = await this.origin();
    const client = await this.client();
    client.send(request(origin));
    const target = await this.reached(origin, client);
    const seen = await target.request();
    target.send(answer);
    return { request: seen, response: await client.response(options), client, target, origin };
  }

  /** The origin's connection; when the proxy answers instead, that is what the finding says. @throws Finding */
  async reached(origin: Origin, client: Wire, index = 0): Promise<Wire> {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      const wire = origin.wires[index];
      if (wire && wire.received > 0) return wire;
      if (client.unread.length > 0 || client.end !== null) break;
      await delay(2);
    }
    // It may have been both: an answer of the origin's own comes only when the case sends it.
    const wire = origin.wires[index];
    if (wire && wire.received > 0) return wire;
    throw new Finding(`The origin got nothing; the client got ${shown(client.unread)}, end: ${client.end}.`);
  }

  /** Sends bytes and waits until the proxy has answered or closed, or the origin has a whole request. @throws Finding */
  async taken(bytes: string | Buffer, origin: Origin, client?: Wire): Promise<Taken & { client: Wire }> {
    const wire = client ?? (await this.client());
    wire.send(bytes);
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const response = readResponse(wire.unread, { over: wire.end !== null });
      if (response !== undefined && response.status >= 200)
        return { kind: "refused", response, client: wire };
      const target = origin.wires.find(({ received }) => received > 0);
      const request = target && readRequest(target.unread, false);
      if (target && request) {
        await target.request();
        return { kind: "forwarded", request, origin: target, client: wire };
      }
      if (wire.end !== null && wire.unread.length === 0) return { kind: "closed", client: wire };
      if (Date.now() > deadline) {
        const half = target ? ` and the origin ${shown(target.unread)}` : "";
        throw new Finding(
          `It was neither refused nor sent on in ${PATIENCE_MS} ms: the client got ${shown(wire.unread)}${half}.`,
        );
      }
      await delay(2);
    }
  }

  /**
   * Sends what must be refused.
   * @param statuses the answers that will do; closing without one only where `orClosed`
   * @throws Finding when it is answered in another way, or the origin got anything
   */
  async refused(
    bytes: string | Buffer,
    origin: Origin,
    { statuses, orClosed = false }: { statuses?: readonly number[]; orClosed?: boolean } = {},
  ): Promise<Wire> {
    const taken = await this.taken(bytes, origin);
    if (taken.kind === "forwarded") {
      throw new Finding(`It was sent on: the origin got ${shown(`${taken.request.head}\r\n\r\n`)}.`);
    }
    if (taken.kind === "closed") {
      expectThat(orClosed, "The connection was closed without an answer.");
    } else {
      const { status } = taken.response;
      const right = statuses ? statuses.includes(status) : status >= 400;
      const wanted = statuses?.join(" or ") ?? "an error";
      expectThat(right, `It was answered ${status} instead of ${wanted}: ${shown(taken.response.head)}.`);
    }
    await delay(5);
    expectThat(origin.received === 0, `It was refused, but the origin had got ${origin.received} bytes.`);
    return taken.client;
  }

  /**
   * Sends what may be refused or sent on, but then in one clear meaning.
   * @param check of what the origin got
   * @throws Finding
   */
  async refusedOrClean(
    bytes: string | Buffer,
    origin: Origin,
    check: (request: Request, origin: Wire) => void | Promise<void> = () => {},
  ): Promise<Taken & { client: Wire }> {
    const taken = await this.taken(bytes, origin);
    if (taken.kind === "refused") {
      const { status, head } = taken.response;
      expectThat(status >= 400, `It was answered ${status} without the origin: ${shown(head)}.`);
    } else if (taken.kind === "forwarded") {
      await check(taken.request, taken.origin);
    }
    return taken;
  }

  /** An open tunnel through CONNECT. @throws Finding */
  async tunnel(early = ""): Promise<{ client: Wire; target: Wire; origin: Origin; response: Response }> {
    const origin = await this.origin();
    const client = await this.client();
    client.send(this.connectTo(origin.authority) + early);
    const response = await client.response({ bodiless: true });
    expectThat(
      response.status >= 200 && response.status < 300,
      `CONNECT was answered: ${shown(response.head)}.`,
    );
    return { client, target: await origin.wire(), origin, response };
  }

  /** A CONNECT request. */
  connectTo(authority: string, { version = "1.1", fields = "" } = {}): string {
    return `CONNECT ${authority} HTTP/${version}\r\nHost: ${authority}\r\n${this.auth}${fields}\r\n`;
  }

  /** The greeting and, where there is a credential, the login of a SOCKS5 client. */
  get socksLogin(): Buffer {
    const { credential } = this.subject;
    return credential === null
      ? Buffer.from([5, 1, 0])
      : Buffer.concat([Buffer.from([5, 1, 2]), login(credential)]);
  }

  /** A SOCKS5 client that is logged in. @throws Finding */
  async socks(): Promise<Wire> {
    const client = await this.socksClient();
    client.send(this.socksLogin);
    await this.socksWelcome(client);
    return client;
  }

  /** Reads what a SOCKS5 server answers to greeting and login. @throws Finding */
  async socksWelcome(client: Wire): Promise<void> {
    const method = await client.take(2);
    const wanted = this.subject.credential === null ? 0 : 2;
    expectThat(method.equals(Buffer.from([5, wanted])), `The greeting was answered ${hexOf(method)}.`);
    if (wanted === 0) return;
    const status = await client.take(2);
    expectThat(status.equals(Buffer.from([1, 0])), `The login was answered ${hexOf(status)}.`);
  }

  /** Sends a SOCKS5 request and reads its reply. @throws Finding when the reply has not the form of RFC 1928 §6 */
  async socksAsk(client: Wire, request: Buffer, patienceMs?: number): Promise<number> {
    client.send(request);
    return (await this.socksReply(client, patienceMs)).code;
  }

  async socksReply(
    client: Wire,
    patienceMs?: number,
  ): Promise<{ code: number; bound: Buffer; kind: number }> {
    const front = await client.take(5, patienceMs);
    const [version, code = -1, reserved, kind = 0, length = 0] = front;
    expectThat(version === 5 && reserved === 0, `The reply begins ${hexOf(front)}.`);
    const size = kind === 1 ? 4 : kind === 4 ? 16 : kind === 3 ? length + 1 : -1;
    expectThat(size > 0, `The reply's address type is ${kind}.`);
    const rest = await client.take(size - 1 + 2);
    return { code, kind, bound: Buffer.concat([front.subarray(4), rest]) };
  }

  /** An open tunnel through SOCKS5. @throws Finding */
  async socksTunnel(): Promise<{ client: Wire; target: Wire; origin: Origin }> {
    const origin = await this.origin();
    const client = await this.socks();
    const code = await this.socksAsk(client, socksConnect(origin.port));
    expectThat(code === 0, `CONNECT was answered with reply ${code}.`);
    return { client, target: await origin.wire(), origin };
  }
}

/** The field line of Basic credentials for a proxy. */
export function basic(pair: string): string {
  return `Proxy-Authorization: Basic ${Buffer.from(pair).toString("base64")}\r\n`;
}

/** The sub-negotiation of RFC 1929. */
export function login({ username, password }: { username: string; password: string }): Buffer {
  const name = Buffer.from(username);
  const word = Buffer.from(password);
  return Buffer.concat([Buffer.from([1, name.length]), name, Buffer.from([word.length]), word]);
}

/** A SOCKS5 request (RFC 1928 §4). @param address four or sixteen bytes, or a name */
export function socksConnect(
  port: number,
  address: readonly number[] | string = [127, 0, 0, 1],
  command = 1,
): Buffer {
  const host =
    typeof address === "string"
      ? [3, Buffer.byteLength(address, "latin1"), ...Buffer.from(address, "latin1")]
      : [address.length === 4 ? 1 : 4, ...address];
  return Buffer.from([5, command, 0, ...host, port >> 8, port & 0xff]);
}
