import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { ProxyError } from "@atlantic/shared/errors.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { type FlowLimitSource, unlimitedFlows } from "../flow-limits.ts";
import { type CountingOrigin, startCountingOrigin } from "../testing/counting-origin.ts";
import { answerOf, startTlsFixture, type TlsFixture } from "../testing/tls-fixture.ts";

let fixture: TlsFixture;
let origin: CountingOrigin;

beforeAll(async () => {
  [fixture, origin] = await Promise.all([startTlsFixture(), startCountingOrigin()]);
});

afterAll(async () => {
  await fixture.close();
  await origin.close();
});

/** A target that does with each connection what it is told. */
async function target(serve: (socket: Socket) => void): Promise<{ authority: string; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { authority: `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`, server };
}

function connectFields(authority: string, more: Record<string, string> = {}) {
  return {
    ":method": "CONNECT",
    ":authority": authority,
    "proxy-authorization": fixture.authorization,
    ...more,
  };
}

describe("CONNECT over HTTP/2 (RFC 9113 §8.5)", () => {
  test("carries bytes both ways, each half to its own end", async () => {
    const { authority, server } = await target((socket) => {
      socket.on("data", (chunk) => socket.write(chunk.toString().toUpperCase()));
      socket.on("end", () => socket.end("and goodbye"));
    });
    const stream = fixture.http2().request(connectFields(authority), { endStream: false });
    const answer = answerOf(stream);
    stream.end("hello, ");
    expect(await answer).toMatchObject({ status: 200, rstCode: 0 });
    expect((await answer).body.toString()).toBe("HELLO, and goodbye");
    expect((await answer).headers["x-atlantic-request-id"]).toMatch(/-/);
    server.close();
  });

  test("lets the client send on when the target has ended its half", async () => {
    const arrived: Buffer[] = [];
    const ended = Promise.withResolvers<void>();
    const { authority, server } = await target((socket) => {
      socket.end("first the end");
      socket.on("data", (chunk) => arrived.push(chunk));
      socket.on("end", () => ended.resolve());
    });
    const stream = fixture.http2().request(connectFields(authority), { endStream: false });
    const answer = answerOf(stream);
    await once(stream, "end");
    stream.end("sent after the end");
    await ended.promise;
    expect(Buffer.concat(arrived).toString()).toBe("sent after the end");
    expect((await answer).rstCode).toBe(0);
    server.close();
  });

  test("says CONNECT_ERROR when the target breaks the connection", async () => {
    const { authority, server } = await target((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    const stream = fixture.http2().request(connectFields(authority), { endStream: false });
    const answer = answerOf(stream);
    await once(stream, "response");
    stream.write("x");
    expect(await answer).toMatchObject({ status: 200, rstCode: 10 });
    server.close();
  });

  test("breaks the target's connection when the client resets its stream", async () => {
    const broken = Promise.withResolvers<string>();
    const { authority, server } = await target((socket) => {
      const talking = setInterval(() => socket.write("still there?"), 5);
      socket.on("error", (error) => {
        clearInterval(talking);
        broken.resolve("code" in error ? String(error.code) : "");
      });
      socket.resume();
    });
    const stream = fixture.http2().request(connectFields(authority), { endStream: false });
    stream.on("error", () => {});
    stream.resume();
    await once(stream, "response");
    stream.close(8);
    expect(await broken.promise).toMatch(/^(ECONNRESET|EPIPE)$/);
    server.close();
  });

  test("answers with the error table, and Proxy-Status as a field", async () => {
    const session = fixture.http2();
    const ask = (fields: Record<string, string>) => answerOf(session.request(fields, { endStream: false }));
    const [anonymous, wrong, port, address, refused, malformed] = await Promise.all([
      ask({ ":method": "CONNECT", ":authority": "127.0.0.1:80" }),
      ask(connectFields("127.0.0.1:80", { "proxy-authorization": "Basic eDp5" })),
      ask(connectFields("127.0.0.1:25")),
      ask(connectFields("10.0.0.1:80")),
      ask(connectFields("127.0.0.1:1")),
      ask(connectFields("127.0.0.1")),
    ]);
    expect(anonymous).toMatchObject({ status: 407, rstCode: 0 });
    expect(anonymous.headers["proxy-authenticate"]).toContain("Basic");
    expect(anonymous.headers["proxy-status"]).toContain("authentication_required");
    expect(wrong.status).toBe(407);
    expect(port.headers["proxy-status"]).toContain("forbidden_port");
    expect(address).toMatchObject({ status: 403 });
    expect(address.body.toString()).toContain("private");
    expect(refused).toMatchObject({ status: 502 });
    expect(refused.headers["proxy-status"]).toContain("connection_refused");
    expect(malformed.status).toBe(400);
  });

  test("holds a fast target back while the client does not read", async () => {
    let written = 0;
    const { authority, server } = await target((socket) => {
      const chunk = Buffer.alloc(65_536);
      const more = () => {
        while (written < 64_000_000 && socket.write(chunk)) written += chunk.length;
      };
      socket.on("drain", more);
      more();
    });
    const stream = fixture.http2().request(connectFields(authority), { endStream: false });
    stream.on("error", () => {});
    await once(stream, "response");
    stream.pause();
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(written).toBeLessThan(32_000_000);
    stream.close(8);
    server.close();
  });
});

describe("forwarding over HTTP/2", () => {
  test("answers GET, HEAD and POST as over HTTP/1.1", async () => {
    const session = fixture.http2();
    const fields = (method: string, path: string) => ({
      ":method": method,
      ":scheme": "http",
      ":authority": `127.0.0.1:${origin.port}`,
      ":path": path,
      "proxy-authorization": fixture.authorization,
    });
    const get = await answerOf(session.request(fields("GET", "/page?x=1")));
    expect(get).toMatchObject({ status: 200 });
    expect(get.body.toString()).toBe("You asked for /page?x=1");
    expect(get.headers["transfer-encoding"]).toBeUndefined();
    const head = await answerOf(session.request(fields("HEAD", "/")));
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    const post = session.request(fields("POST", "/"), { endStream: false });
    const posted = answerOf(post);
    post.end("a body of unknown length");
    expect((await posted).body.toString()).toBe("a body of unknown length");
  });

  test("passes interim answers and trailers on, in both directions", async () => {
    const { authority, server } = await target((socket) => {
      let request = "";
      socket.on("data", (chunk) => {
        request += chunk.toString("latin1");
        if (request.endsWith("\r\n\r\n") && !request.includes("0\r\n")) {
          socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        }
        if (!request.includes("\r\nsum: 7\r\n\r\n")) return;
        socket.end(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: check\r\n\r\n4\r\nbody\r\n0\r\ncheck: 9\r\n\r\n",
        );
      });
    });
    const stream = fixture.http2().request(
      {
        ":method": "POST",
        ":scheme": "http",
        ":authority": authority,
        ":path": "/",
        "proxy-authorization": fixture.authorization,
        expect: "100-continue",
        te: "trailers",
      },
      { endStream: false, waitForTrailers: true },
    );
    const answer = answerOf(stream);
    stream.on("wantTrailers", () => stream.sendTrailers({ sum: "7" }));
    stream.on("continue", () => stream.end("the body"));
    const { status, body, interim, trailers } = await answer;
    expect({ status, body: body.toString(), check: trailers.check }).toEqual({
      status: 200,
      body: "body",
      check: "9",
    });
    expect(interim).toContain(103);
    server.close();
  });

  test("resets the stream when an answer breaks off", async () => {
    const { authority, server } = await target((socket) => {
      socket.once("data", () =>
        socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n"),
      );
    });
    const stream = fixture.http2().request({
      ":method": "GET",
      ":scheme": "http",
      ":authority": authority,
      ":path": "/",
      "proxy-authorization": fixture.authorization,
    });
    let ended = false;
    stream.on("end", () => {
      ended = true;
    });
    expect(await answerOf(stream)).toMatchObject({ status: 200, rstCode: 2 });
    // What is there must not look like all of it.
    expect(ended).toBe(false);
    server.close();
  });

  test.each([
    [
      "fields that may be there once",
      "Age: 1\r\nAge: 2\r\nX-Content-Type-Options: a\r\nX-Content-Type-Options: b\r\nTE: gzip\r\nHTTP2-Settings: x\r\n",
      "",
    ],
    ["an interim answer with such fields", "", "HTTP/1.1 103 Early Hints\r\nAge: 1\r\nAge: 2\r\n\r\n"],
  ])("survives a target that repeats %s, in trailers as well", async (_, fields, before) => {
    const { authority, server } = await target((socket) => {
      const trailers =
        "Content-Type: a\r\nContent-Type: b\r\nX-Content-Type-Options: 1\r\nX-Content-Type-Options: 2\r\n";
      const answer = `HTTP/1.1 200 OK\r\n${fields}Content-Encoding: x\r\nContent-Encoding: y\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`;
      socket.once("data", () => socket.end(before + answer));
    });
    const answer = await answerOf(
      fixture.http2().request({
        ":method": "GET",
        ":scheme": "http",
        ":authority": authority,
        ":path": "/",
        "proxy-authorization": fixture.authorization,
        te: "trailers",
        trailer: "nothing",
      }),
    );
    expect({ ...answer, body: answer.body.toString() }).toMatchObject({
      status: 200,
      body: "ok",
      rstCode: 0,
    });
    expect(answer.headers["content-encoding"]).toBe("x, y");
    server.close();
  });

  test("sends https addresses to CONNECT", async () => {
    const answer = await answerOf(
      fixture.http2().request({
        ":method": "GET",
        ":scheme": "https",
        ":authority": "example.com",
        ":path": "/",
        "proxy-authorization": fixture.authorization,
      }),
    );
    expect(answer.status).toBe(400);
    expect(answer.body.toString()).toContain("CONNECT");
  });
});

describe("WebSockets over HTTP/2 (RFC 8441)", () => {
  function webSocketFields(authority: string, more: Record<string, string> = {}) {
    return connectFields(authority, {
      ":protocol": "websocket",
      ":scheme": "http",
      ":path": "/chat",
      "sec-websocket-version": "13",
      ...more,
    });
  }

  test("are opened as HTTP/1.1 upgrades, with a real WebSocket at the other end", async () => {
    const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "chat" });
    await once(sockets, "listening");
    sockets.on("connection", (socket, request) => {
      socket.send(`hello from ${request.url}`);
      socket.on("message", (message) => socket.send(message.toString().toUpperCase()));
    });
    const address = sockets.address();
    const authority = `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
    const session = fixture.http2();
    await once(session, "remoteSettings");
    expect(session.remoteSettings.enableConnectProtocol).toBe(true);
    const stream = session.request(webSocketFields(authority, { "sec-websocket-protocol": "chat" }), {
      endStream: false,
    });
    const [headers] = await once(stream, "response");
    expect(headers).toMatchObject({ ":status": 200, "sec-websocket-protocol": "chat" });
    expect(headers["sec-websocket-accept"]).toBeUndefined();
    let received = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    // A masked text frame (RFC 6455 §5.2) with a mask of zeros.
    stream.write(Buffer.concat([Buffer.from([0x81, 0x84, 0, 0, 0, 0]), Buffer.from("ping")]));
    while (!received.toString("latin1").includes("PING")) await once(stream, "data");
    expect(received.toString("latin1")).toContain("hello from /chat");
    stream.close(8);
    sockets.close();
  });

  test("that the target refuses are answered with its refusal, and other protocols are not offered", async () => {
    const session = fixture.http2();
    await once(session, "remoteSettings");
    const { authority, server } = await target((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"));
    });
    const refused = await answerOf(session.request(webSocketFields(authority), { endStream: false }));
    expect({ ...refused, body: refused.body.toString() }).toMatchObject({ status: 404, body: "none" });
    server.close();
    // A plain answer with 200 must not look like an open WebSocket.
    const ignored = await answerOf(session.request(webSocketFields(`127.0.0.1:${origin.port}`)));
    expect(ignored.status).toBe(502);
    const other = webSocketFields("127.0.0.1:1", { ":protocol": "connect-udp" });
    expect((await answerOf(session.request(other))).status).toBe(501);
    const anonymous = webSocketFields("127.0.0.1:1", { "proxy-authorization": "" });
    expect((await answerOf(session.request(anonymous))).status).toBe(407);
  });

  test("whose handshake is wrong are refused", async () => {
    const { authority, server } = await target((socket) => {
      socket.once("data", () =>
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        ),
      );
    });
    const session = fixture.http2();
    await once(session, "remoteSettings");
    const answer = await answerOf(session.request(webSocketFields(authority), { endStream: false }));
    expect(answer.status).toBe(502);
    server.close();
  });
});

test("nothing stays open of streams that ended, whichever way they did", async () => {
  const session = fixture.http2();
  const fields = (path: string) => ({
    ":method": "GET",
    ":scheme": "http",
    ":authority": `127.0.0.1:${origin.port}`,
    ":path": path,
    "proxy-authorization": fixture.authorization,
  });
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        if (index % 4 === 0) return answerOf(session.request(fields("/page")));
        const stream = session.request(connectFields(`127.0.0.1:${origin.port}`), { endStream: false });
        const answer = answerOf(stream);
        // Some are given up before their answer, some after it, some end as they should.
        if (index % 4 === 1) setImmediate(() => stream.close(8));
        else await once(stream, "response");
        if (index % 4 === 2) stream.close(8);
        if (index % 4 === 3) stream.end("GET / HTTP/1.0\r\n\r\n");
        return answer;
      }),
    );
  }
  while (fixture.gateway.countOpen() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  expect((await answerOf(session.request(fields("/after")))).status).toBe(200);
});

test.each([403, 407] as const)(
  "used up traffic is told with the status that is set: %i",
  async (quotaStatus) => {
    const usedUp: FlowLimitSource = {
      ...unlimitedFlows,
      admit: () => {
        throw new ProxyError("quota_exhausted");
      },
    };
    const own = await startTlsFixture({ flowLimits: usedUp, limits: { quotaStatus } });
    const session = own.http2();
    const authority = `127.0.0.1:${origin.port}`;
    const login = { ":authority": authority, "proxy-authorization": own.authorization };
    const tunnel = await answerOf(session.request({ ...login, ":method": "CONNECT" }));
    const page = await answerOf(
      session.request({ ...login, ":method": "GET", ":scheme": "http", ":path": "/page" }),
    );
    for (const { status, headers } of [tunnel, page]) {
      expect(status).toBe(quotaStatus);
      expect(headers["proxy-status"]).toContain('details="quota_exhausted"');
    }
    await own.close();
  },
);
