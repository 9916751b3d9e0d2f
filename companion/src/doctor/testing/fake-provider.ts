import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** What a login asks of a provider. */
export interface AskedOfFake {
  readonly country?: string | undefined;
  readonly session?: string | undefined;
  /** How long the session's address stays. */
  readonly seconds?: number | undefined;
}

/** How a provider refuses. */
export interface FakeRefusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Reads a login as the provider's pages describe it. */
export type FakeGrammar = (username: string, password: string) => AskedOfFake | FakeRefusal;

/** The certificate of the sites that it plays. */
export interface SitesTls {
  readonly key: string;
  readonly cert: string;
}

export interface FakeProvider {
  readonly port: number;
  /** Every login that was shown. */
  readonly logins: readonly string[];
  /** Lets its clock go on. */
  pass(ms: number): void;
  close(): void;
}

/**
 * Stands in for a provider that cannot be asked here: a proxy on a real socket that speaks HTTP CONNECT and SOCKS5
 * with a login (RFC 1929), as providers do, and reads the login by a grammar written from their pages. It leads
 * nowhere: whatever site is asked for, it answers itself, with the address that the exit would have had. That what it
 * understands is what the provider understands, only a real account can show.
 */
export async function startFakeProvider(read: FakeGrammar, tls?: SitesTls): Promise<FakeProvider> {
  const logins: string[] = [];
  const sessions = new Map<string, { address: string; until: number }>();
  const sockets = new Set<Socket>();
  let now = 0;
  let addresses = 0;

  function exitOf({ session, seconds = 600, country = "us" }: AskedOfFake): string {
    const known = session === undefined ? undefined : sessions.get(session);
    const isLive = known !== undefined && known.until > now;
    const address = isLive ? known.address : `203.0.113.${++addresses % 250}`;
    if (session !== undefined && !isLive) sessions.set(session, { address, until: now + seconds * 1_000 });
    return JSON.stringify({ ip: address, geo: { country_code: country.toUpperCase() } });
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const login = (username: string, password: string) => {
      logins.push(`${username}:${password}`);
      return read(username, password);
    };
    serve(socket, login, exitOf, tls).catch(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    logins,
    pass: (ms) => {
      now += ms;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

type Login = (username: string, password: string) => AskedOfFake | FakeRefusal;

async function serve(
  socket: Socket,
  login: Login,
  exitOf: (asked: AskedOfFake) => string,
  tls: SitesTls | undefined,
): Promise<void> {
  const bytes = new Reader(socket);
  const first = await bytes.take(1);
  const asked = first[0] === 5 ? await socks5(socket, bytes, login) : await connect(socket, bytes, login);
  if (asked === undefined) return void socket.end();
  const site = tls ? new TLSSocket(socket, { isServer: true, ...tls }) : socket;
  site.on("error", () => socket.destroy());
  await (tls ? new Reader(site) : bytes).until("\r\n\r\n");
  const body = exitOf(asked);
  site.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
}

async function connect(socket: Socket, bytes: Reader, login: Login): Promise<AskedOfFake | undefined> {
  const head = await bytes.until("\r\n\r\n");
  const basic = /^proxy-authorization: basic (\S+)\r?$/im.exec(head)?.[1] ?? "";
  const [username = "", password = ""] = Buffer.from(basic, "base64").toString().split(/:(.*)/s);
  const answer = login(username, password);
  if (!("status" in answer)) {
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    return answer;
  }
  const headers = Object.entries(answer.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${answer.status} ${answer.reason}\r\n${headers.join("")}Content-Length: 0\r\n\r\n`);
  return undefined;
}

async function socks5(socket: Socket, bytes: Reader, login: Login): Promise<AskedOfFake | undefined> {
  await bytes.take((await bytes.take(1))[0] ?? 0);
  socket.write(Uint8Array.of(5, 2));
  await bytes.take(1);
  const username = (await bytes.take((await bytes.take(1))[0] ?? 0)).toString();
  const password = (await bytes.take((await bytes.take(1))[0] ?? 0)).toString();
  const answer = login(username, password);
  socket.write(Uint8Array.of(1, "status" in answer ? 1 : 0));
  if ("status" in answer) return undefined;
  await bytes.take(4);
  await bytes.take((await bytes.take(1))[0] ?? 0);
  await bytes.take(2);
  socket.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  return answer;
}

/** Takes bytes off a socket as they come, and leaves it paused for whoever comes next. */
class Reader {
  readonly #socket: Socket;
  #left = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  async take(count: number): Promise<Buffer> {
    while (this.#left.length < count) await this.#more();
    const taken = this.#left.subarray(0, count);
    this.#left = this.#left.subarray(count);
    return taken;
  }

  async until(mark: string): Promise<string> {
    while (!this.#left.includes(mark)) await this.#more();
    return (await this.take(this.#left.indexOf(mark) + mark.length)).toString("latin1");
  }

  async #more(): Promise<void> {
    const stop = new AbortController();
    const { signal } = stop;
    this.#socket.resume();
    try {
      const [value] = await Promise.race([
        once(this.#socket, "data", { signal }),
        once(this.#socket, "close", { signal }).then(() => [undefined]),
      ]);
      if (value === undefined) throw new Error("The client hung up.");
      this.#left = Buffer.concat([this.#left, value]);
    } finally {
      this.#socket.pause();
      stop.abort();
    }
  }
}
