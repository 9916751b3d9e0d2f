/**
 * A proxy for tests: SOCKS5 with UDP and CONNECT on one port each, both families. Prints its ports and, for each flow,
 * what it was asked for. Names end in an address: `a.10.61.2.2.test` leads there.
 * argv: a file with a key and a certificate, for CONNECT inside TLS and over HTTP/2, which cannot be had without.
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage } from "node:http";
import { constants, createSecureServer } from "node:http2";
import { createServer as createHttps } from "node:https";
import { connect, createServer, type Socket } from "node:net";
import { listenAnywhere } from "./listen-anywhere.ts";

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const [, , file] = process.argv;
const pem = file === undefined ? undefined : readFileSync(file, "utf8");
const identity = pem === undefined ? {} : { key: pem, cert: pem };

function addressOf(host: string): string {
  return /(\d+\.\d+\.\d+\.\d+)\.test$/.exec(host)?.[1] ?? host;
}

function join(client: Socket, host: string, port: number, granted: () => void, refused: () => void): void {
  say({ asked: `${host} ${port}` });
  const site = connect({ host: addressOf(host), port, allowHalfOpen: true, noDelay: true });
  let open = false;
  site.once("connect", () => {
    open = true;
    granted();
    client.pipe(site);
    site.pipe(client);
  });
  site.on("error", () => (open ? client.resetAndDestroy() : refused()));
  client.on("error", () => site.resetAndDestroy());
  client.on("close", () => site.destroy());
}

class Reader {
  #bytes = Buffer.alloc(0);
  readonly #socket: Socket;
  constructor(socket: Socket) {
    this.#socket = socket;
  }
  async take(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) {
      const chunk: unknown = this.#socket.read();
      if (Buffer.isBuffer(chunk)) this.#bytes = Buffer.concat([this.#bytes, chunk]);
      else {
        await new Promise<void>((resolve, reject) => {
          this.#socket.once("readable", resolve);
          this.#socket.once("end", () => reject(new Error("ended")));
          this.#socket.once("close", () => reject(new Error("closed")));
        });
      }
    }
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
  rest(): Buffer {
    return this.#bytes;
  }
}

async function hostFrom(reader: Reader): Promise<{ host: string; port: number }> {
  const [kind = 0] = await reader.take(1);
  let host = "";
  if (kind === 1) host = [...(await reader.take(4))].join(".");
  else if (kind === 4) host = (await reader.take(16)).toString("hex").match(/.{4}/g)?.join(":") ?? "";
  else {
    const [length = 0] = await reader.take(1);
    host = (await reader.take(length)).toString();
  }
  return { host, port: (await reader.take(2)).readUInt16BE(0) };
}

async function socks(client: Socket): Promise<void> {
  client.on("error", () => {});
  const reader = new Reader(client);
  const [, methods = 0] = await reader.take(2);
  const offered = await reader.take(methods);
  if (offered.includes(2)) {
    client.write(Buffer.from([5, 2]));
    const [, userLength = 0] = await reader.take(2);
    const user = (await reader.take(userLength)).toString();
    const [passwordLength = 0] = await reader.take(1);
    const password = (await reader.take(passwordLength)).toString();
    const good = user === "user" && password === "secret";
    client.write(Buffer.from([1, good ? 0 : 1]));
    if (!good) return void client.destroy();
  } else client.write(Buffer.from([5, 0]));
  const [, command] = await reader.take(3);
  const { host, port } = await hostFrom(reader);
  const answer = (status: number, bound = 0): void =>
    void client.write(Buffer.from([5, status, 0, 1, 0, 0, 0, 0, bound >> 8, bound & 255]));
  if (command === 3) {
    const relay = await associate(client);
    answer(0, relay.address().port);
    return;
  }
  if (command !== 1) {
    answer(7);
    return void client.end();
  }
  const early = reader.rest();
  if (early.length > 0) client.unshift(early);
  join(
    client,
    host,
    port,
    () => answer(0),
    () => {
      answer(5);
      client.end();
    },
  );
}

/** Datagrams of the client go out from a socket of its own, and what comes back goes to the client. */
async function associate(client: Socket): Promise<UdpSocket> {
  const family =
    client.remoteFamily === "IPv6" && !client.remoteAddress?.startsWith("::ffff:") ? "udp6" : "udp4";
  const inner = createSocket(family);
  const outer = { 4: createSocket("udp4"), 6: createSocket("udp6") };
  let from: { port: number; address: string } | undefined;
  inner.on("message", (message, peer) => {
    from = peer;
    const kind = message[3];
    let host = "";
    let at = 4;
    if (kind === 1) {
      host = [...message.subarray(4, 8)].join(".");
      at = 8;
    } else if (kind === 4) {
      host = message.toString("hex", 4, 20).match(/.{4}/g)?.join(":") ?? "";
      at = 20;
    } else {
      const length = message[4] ?? 0;
      host = message.toString("latin1", 5, 5 + length);
      at = 5 + length;
    }
    const port = message.readUInt16BE(at);
    say({ datagram: `${host} ${port}` });
    outer[kind === 4 ? 6 : 4].send(message.subarray(at + 2), port, addressOf(host));
  });
  const back = (head: Buffer, port: number, message: Buffer): void => {
    if (from === undefined) return;
    const tail = Buffer.from([port >> 8, port & 255]);
    inner.send(Buffer.concat([head, tail, message]), from.port, from.address);
  };
  outer[4].on("message", (message, { address, port }) =>
    back(Buffer.from([0, 0, 0, 1, ...address.split(".").map(Number)]), port, message),
  );
  outer[6].on("message", (message, { address, port }) =>
    back(Buffer.from([0, 0, 0, 4, ...bytes6(address)]), port, message),
  );
  client.on("close", () => {
    say({ associationEnded: true });
    inner.close();
    outer[4].close();
    outer[6].close();
  });
  client.on("end", () => client.end());
  client.resume();
  await new Promise<void>((resolve) => inner.bind(0, resolve));
  say({ association: true });
  return inner;
}

function bytes6(address: string): number[] {
  const [front = "", back] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const [head, tail] = [groups(front), groups(back ?? "")];
  const middle = new Array<string>(8 - head.length - tail.length).fill("0");
  return [...head, ...middle, ...tail].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

const http = createHttp();
const https = createHttps({ ...identity, allowHalfOpen: true });
for (const one of [http, https]) one.on("connect", onConnect);

function onConnect(request: IncomingMessage, client: Socket, head: Buffer): void {
  client.on("error", () => {});
  const end = (request.url ?? "").lastIndexOf(":");
  const host = (request.url ?? "").slice(0, end).replace(/[[\]]/g, "");
  if (head.length > 0) client.unshift(head);
  join(
    client,
    host,
    Number((request.url ?? "").slice(end + 1)),
    () => client.write("HTTP/1.1 200 OK\r\n\r\n"),
    () => client.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
  );
}

const http2 = createSecureServer(identity);
http2.on("session", () => say({ session: true }));
http2.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const authority = String(headers[":authority"]);
  const end = authority.lastIndexOf(":");
  say({ asked: `${authority.slice(0, end)} ${authority.slice(end + 1)}` });
  const host = addressOf(authority.slice(0, end).replace(/[[\]]/g, ""));
  const site = connect({ host, port: Number(authority.slice(end + 1)), allowHalfOpen: true, noDelay: true });
  site.once("connect", () => {
    stream.respond({ ":status": 200 });
    stream.pipe(site);
    site.pipe(stream);
  });
  site.on("error", () => {
    if (stream.headersSent) stream.close(constants.NGHTTP2_CONNECT_ERROR);
    else if (!stream.destroyed) stream.respond({ ":status": 502 }, { endStream: true });
  });
  stream.on("close", () => site.destroy());
});

const options = { allowHalfOpen: true, noDelay: true };
const server = createServer(options, (client) => socks(client).catch(() => client.destroy()));
say({
  socks5: await listenAnywhere(server),
  connect: await listenAnywhere(http),
  tls: await listenAnywhere(https),
  h2: await listenAnywhere(http2),
});
