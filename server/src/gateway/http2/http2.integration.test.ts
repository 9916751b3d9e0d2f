import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
});
