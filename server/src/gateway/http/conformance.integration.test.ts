import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";

let fixture: GatewayFixture;
const opened: (Server | Socket)[] = [];
const clients: RawClient[] = [];

beforeAll(async () => {
  fixture = await startGatewayFixture({ limits: { headerMs: 300, idleMs: 60_000 } });
});
afterAll(() => fixture.close());
afterEach(() => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
});

/** A target that does exactly what the test says with each connection. */
async function target(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    opened.push(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  opened.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A target that answers every header section with the same bytes, and what it got. */
async function answering(answer: string) {
  const seen: string[] = [];
  const port = await target((socket) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      seen.push(text);
      text = "";
      socket.write(answer);
    });
    socket.on("end", () => socket.end());
  });
  return { port, seen };
}

async function client(): Promise<RawClient> {
  const one = await rawClient(fixture.gateway.port);
  clients.push(one);
  return one;
}

function authorization(parts = "-cc-de"): string {
  const { username, password } = fixture.account;
  return `Proxy-Authorization: Basic ${Buffer.from(`${username}${parts}:${password}`).toString("base64")}\r\n`;
}

function get(port: number, fields = "", path = "/"): string {
  return `GET http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${authorization()}${fields}\r\n`;
}

const whole = (received: Buffer) => received.toString().endsWith("ok");

describe("what goes on to the target", () => {
  test("is in origin form, with the target's own Host and without what is for this hop", async () => {
    const { port, seen } = await answering(OK);
    const one = await client();
    one.send(
      `GET http://127.0.0.1:${port}/a?b HTTP/1.1\r\nHost: elsewhere.example\r\n${authorization()}` +
        "Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n" +
        "TE: gzip\r\nUpgrade: h2c\r\nX-Atlantic-Country: de\r\nX-Kept: yes\r\n\r\n",
    );
    await one.until(whole);
    expect(seen).toEqual([`GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Kept: yes\r\n\r\n`]);
  });

  test("never holds the credential, on any request of a kept connection", async () => {
    const { port, seen } = await answering(OK);
    const one = await client();
    for (let count = 1; count <= 3; count++) {
      one.send(get(port));
      await one.until((received) => received.toString().split("ok").length === count + 1);
    }
    expect(seen.length).toBe(3);
    for (const text of seen) expect(text.toLowerCase()).not.toContain("proxy-");
  });

  test("keeps a body's framing: chunks without their extensions, and the trailers that may go on", async () => {
    const port = await target((socket) => {
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
        if (text.endsWith("1\r\n\r\n")) {
          const body = text.slice(text.indexOf("\r\n\r\n") + 4);
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 2}\r\n\r\n${body}ok`);
        }
      });
    });
    const one = await client();
    one.send(
      `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: x\r\n${authorization()}Transfer-Encoding: chunked\r\n\r\n`,
    );
    one.send("3;name=value\r\nabc\r\n1");
    one.send("0\r\n0123456789abcdef\r\n0\r\nHost: y\r\nX-Trailer: 1\r\n\r\n");
    const answer = (await one.until(whole)).toString();
    expect(answer).toContain("\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Trailer: 1\r\n\r\nok");
  });

  test("Expect: 100-continue is answered by the target, and only by it", async () => {
    const waiting = Promise.withResolvers<Socket>();
    const port = await target((socket) => {
      socket.once("data", (head) => {
        expect(head.toString()).toContain("Expect: 100-continue");
        waiting.resolve(socket);
      });
    });
    const one = await client();
    one.send(
      `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: x\r\n${authorization()}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
    );
    const socket = await waiting.promise;
    expect(one.text()).toBe("");
    socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    await one.until((received) => received.includes("100 Continue"));
    one.send("body");
    await once(socket, "data");
    socket.write(OK);
    await one.until(whole);
  });

  test("Max-Forwards counts down, and at 0 the gateway answers itself", async () => {
    const { port, seen } = await answering(OK);
    const ask = (forwards: number) =>
      `OPTIONS http://127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n${authorization()}Max-Forwards: ${forwards}\r\n\r\n`;
    const first = await client();
    first.send(ask(0));
    expect(await first.ended()).toContain("HTTP/1.1 204");
    expect(seen).toEqual([]);
    const second = await client();
    second.send(ask(3));
    await second.until(whole);
    expect(seen[0]).toContain("OPTIONS * HTTP/1.1\r\n");
    expect(seen[0]).toContain("Max-Forwards: 2\r\n");
  });
});

describe("what comes back", () => {
  test("several requests on one connection, sent at once, are answered in their order", async () => {
    const port = await target((socket) => {
      let count = 0;
      socket.on("data", () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${++count}`));
    });
    const one = await client();
    one.send(get(port) + get(port) + get(port));
    await one.until((received) => received.toString().endsWith("3"));
    expect(one.text().match(/\r\n\r\n\d/g)).toEqual(["\r\n\r\n1", "\r\n\r\n2", "\r\n\r\n3"]);
  });

  test("HEAD, 204 and 304 have no body, whatever their length says", async () => {
    for (const status of ["204 No Content", "304 Not Modified"]) {
      const { port } = await answering(`HTTP/1.1 ${status}\r\n\r\n`);
      const one = await client();
      one.send(get(port));
      await one.until((received) => received.includes("\r\n\r\n"));
      one.send(get(port));
      await one.until((received) => received.toString().split(status).length === 3);
    }
    const { port } = await answering("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n");
    const one = await client();
    const head = get(port).replace("GET", "HEAD");
    one.send(head);
    await one.until((received) => received.includes("Content-Length: 999"));
    one.send(head);
    await one.until((received) => received.toString().split("999").length === 3);
  });

  test("an answer without a length ends with the connection", async () => {
    const port = await target((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\nall of it"));
    });
    const one = await client();
    one.send(get(port));
    const answer = await one.ended();
    expect(answer).toContain("Connection: close\r\n");
    expect(answer.endsWith("all of it")).toBe(true);
  });

  test("an answer that breaks off never ends cleanly", async () => {
    const port = await target((socket) => {
      socket.on("data", () =>
        socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
      );
    });
    const one = await client();
    one.send(get(port));
    const answer = await one.ended();
    expect(answer).toContain("hello");
    expect(answer).not.toContain("0\r\n\r\n");
  });

  test("interim answers that nobody reads hold the target back instead of filling memory", async () => {
    const interim = Buffer.from(`HTTP/1.1 102 Processing\r\nX-Fill: ${"x".repeat(50_000)}\r\n\r\n`);
    let taken = 0;
    const port = await target((socket) => {
      const pour = () => {
        taken += 1;
        if (taken < 1_000) socket.write(interim, pour);
      };
      socket.once("data", pour);
    });
    const one = await client();
    one.socket.pause();
    one.send(get(port));
    let before = 0;
    // Until nothing moves any more: both ways are full, or all of it is in the gateway.
    const stands = () => {
      const moved = taken !== before;
      before = taken;
      return taken > 0 && !moved;
    };
    await expect.poll(stands, { interval: 300 }).toBe(true);
    expect(taken).toBeLessThan(600);
  });

  test("chunks are taken apart for a client of HTTP/1.0", async () => {
    const { port } = await answering(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    const one = await client();
    one.send(`GET http://127.0.0.1:${port}/ HTTP/1.0\r\n${authorization()}\r\n`);
    const answer = await one.ended();
    expect(answer).not.toContain("Transfer-Encoding");
    expect(answer.endsWith("\r\n\r\nhello")).toBe(true);
  });

  test("a client that ends its half first still gets its answer", async () => {
    const { port } = await answering(OK);
    const one = await client();
    one.send(get(port));
    one.socket.end();
    expect(await one.ended()).toMatch(/ok$/);
  });

  test("a kept connection that the target closed in the meantime is dialled anew", async () => {
    const sockets: Socket[] = [];
    const port = await target((socket) => {
      sockets.push(socket);
      socket.on("data", () => socket.write(OK));
    });
    const one = await client();
    one.send(get(port));
    await one.until(whole);
    sockets[0]?.resetAndDestroy();
    one.send(get(port));
    await one.until((received) => received.toString().split("ok").length === 3);
    expect(sockets.length).toBe(2);
  });

  test("a WebSocket opens through plain proxying, and bytes behind the header are kept", async () => {
    const port = await target((socket) => {
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
        if (text.endsWith("\r\n\r\n")) {
          expect(text).toContain("Connection: Upgrade\r\nUpgrade: websocket\r\n");
          socket.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly",
          );
        } else if (text.endsWith("ping")) socket.write("pong");
      });
    });
    const one = await client();
    one.send(get(port, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    await one.until((received) => received.includes("early"));
    one.send("ping");
    await one.until((received) => received.includes("pong"));
  });
});

describe("CONNECT", () => {
  const connect = (port: number, version = "1.1") =>
    `CONNECT 127.0.0.1:${port} HTTP/${version}\r\nHost: 127.0.0.1:${port}\r\n${authorization("-cc-jp-sid-a")}\r\n`;

  test.each(["1.1", "1.0"])(
    "HTTP/%s opens a tunnel, says where it leaves, and keeps early bytes",
    async (version) => {
      const port = await target((socket) => socket.on("data", (chunk) => socket.write(`<${chunk}>`)));
      const one = await client();
      one.send(`${connect(port, version)}early`);
      const text = (await one.until((received) => received.includes("<early>"))).toString();
      expect(text).toMatch(/^HTTP\/1.1 200 /);
      expect(text).toMatch(/X-Atlantic-Request-Id: [0-9a-f-]{36}\r\n/);
      expect(text).toContain("X-Atlantic-Exit-Country: JP\r\n");
      expect(text).toMatch(/X-Atlantic-Exit-Address: 127\.1\.3\.\d+\r\n/);
      expect(text).toMatch(/X-Atlantic-Session-Expires: \d{13}\r\n/);
      expect(text.toLowerCase()).not.toMatch(/content-length|transfer-encoding/);
    },
  );

  test("half of a tunnel ends by itself, in either direction", async () => {
    const port = await target((socket) => {
      socket.end("bye");
      let length = 0;
      socket.on("data", (chunk) => {
        length += chunk.length;
      });
      socket.on("end", () => lengths.push(length));
    });
    const lengths: number[] = [];
    const one = await client();
    one.send(connect(port));
    await one.until((received) => received.includes("bye"));
    await one.ended();
    one.socket.end(Buffer.alloc(1_000));
    await expect.poll(() => lengths).toEqual([1_000]);
  });

  test("a refused CONNECT closes: what was sent on it is never read as a request", async () => {
    const { port, seen } = await answering(OK);
    const one = await client();
    one.send(`CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: x\r\n${authorization()}\r\n${get(port)}`);
    const answer = await one.ended();
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(answer.match(/HTTP\/1\.1/g)?.length).toBe(1);
    expect(seen).toEqual([]);
  });
});

describe("what is refused", () => {
  const line = "GET http://127.0.0.1:1/ HTTP/1.1\r\n";
  test.each([
    ["an origin-form target", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["an https target", "GET https://a.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["user information in the target", "GET http://a@b.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["CONNECT without a port", "CONNECT a.example HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["no Host", `${line}\r\n`, 400],
    ["two Hosts", `${line}Host: x\r\nHost: x\r\n\r\n`, 400],
    ["a Host that is none", `${line}Host: a b\r\n\r\n`, 400],
    [
      "a length and a coding",
      `${line}Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
    ],
    ["two lengths", `${line}Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400],
    ["a length that is no number", `${line}Host: x\r\nContent-Length: +1\r\n\r\n`, 400],
    ["a coding other than chunked", `${line}Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n`, 501],
    ["a coding that hides chunked", `${line}Host: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n`, 400],
    ["a coding in HTTP/1.0", "GET http://127.0.0.1:1/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
    ["a length named in Connection", `${line}Host: x\r\nConnection: content-length\r\n\r\n`, 400],
    ["a folded line", `${line}Host: x\r\nX-A: 1\r\n 2\r\n\r\n`, 400],
    ["a space before the colon", `${line}Host : x\r\n\r\n`, 400],
    ["a bare LF", `${line}Host: x\nX-A: 1\r\n\r\n`, 400],
    ["a header of bare LFs", "GET http://127.0.0.1:1/ HTTP/1.1\nHost: x\n\n", 400],
    ["a bare CR", `${line}Host: x\r\nX-A: 1\r2\r\n\r\n`, 400],
    ["a NUL", `${line}Host: x\r\nX-A: \0\r\n\r\n`, 400],
    ["another version", "GET http://a.example/ HTTP/2.0\r\nHost: x\r\n\r\n", 400],
    ["101 fields", `${line}Host: x\r\n${"X-A: 1\r\n".repeat(100)}\r\n`, 431],
    ["a header of 17 KiB", `${line}Host: x\r\nX-A: ${"a".repeat(17_000)}\r\n\r\n`, 431],
    ["an address of 9 KiB", `GET http://a.example/${"a".repeat(9_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    ["SOCKS4", "\x04\x01\x00\x50", 400],
  ])("%s", async (_, request, status) => {
    const one = await client();
    one.send(Buffer.from(request, "latin1"));
    const answer = await one.ended();
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/\r\nProxy-Status: atlantic; error=http_request_error; details=/);
    expect(answer).toContain("Connection: close\r\n");
  });

  test("a header that does not end in time", async () => {
    const one = await client();
    one.send("GET http://a.example/ HTTP/1.1\r\nHost:");
    expect(await one.ended()).toMatch(/^HTTP\/1.1 408 /);
  });

  test("broken chunks, before the target takes them for something else", async () => {
    const { port } = await answering("");
    for (const body of ["x\r\n", "1\nA\r\n", "1\r\nAB\r\n", "-1\r\n", `${"f".repeat(20)}\r\n`]) {
      const one = await client();
      one.send(
        `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: x\r\n${authorization()}Transfer-Encoding: chunked\r\n\r\n${body}`,
      );
      expect(await one.ended()).toMatch(/^HTTP\/1.1 400 /);
    }
  });

  test("an answer that leaves its length in doubt", async () => {
    for (const fields of [
      "Content-Length: 1\r\nTransfer-Encoding: chunked",
      "Content-Length: 1\r\nContent-Length: 2",
      "Bad Field: 1",
    ]) {
      const { port } = await answering(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`);
      const one = await client();
      one.send(get(port, "Connection: close\r\n"));
      const answer = await one.ended();
      expect(answer).toMatch(/^HTTP\/1.1 502 /);
      expect(answer).toContain("error=http_protocol_error");
    }
  });
});
