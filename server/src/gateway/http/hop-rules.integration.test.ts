import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";

let fixture: GatewayFixture;
const opened: (Server | Socket)[] = [];
const clients: RawClient[] = [];

beforeAll(async () => {
  fixture = await startGatewayFixture({
    limits: { headerMs: 300, idleMs: 60_000, bodyGraceMs: 300, bodyBytesPerSecond: 1_000 },
  });
});
afterAll(() => fixture.close());
afterEach(() => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
});

/** A target that says, for the nth header section on any of its connections, what the test says. */
async function target(answer: (request: string, socket: Socket) => string | undefined) {
  const seen: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    opened.push(socket);
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      const request = text;
      text = "";
      seen.push(request);
      const words = answer(request, socket);
      if (words !== undefined) socket.write(words, "latin1");
    });
    socket.on("end", () => socket.end());
  });
  opened.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { port: typeof address === "object" && address ? address.port : 0, seen, sockets };
}

async function client(): Promise<RawClient> {
  const one = await rawClient(fixture.gateway.port);
  clients.push(one);
  return one;
}

function authorization(): string {
  const { username, password } = fixture.account;
  return `Proxy-Authorization: Basic ${Buffer.from(`${username}-cc-de:${password}`).toString("base64")}\r\n`;
}

function request(method: string, port: number, fields = "", body = "", version = "1.1"): string {
  return `${method} http://127.0.0.1:${port}/ HTTP/${version}\r\nHost: x\r\n${authorization()}${fields}\r\n${body}`;
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const oks = (count: number) => (received: Buffer) => received.toString().split("\r\n\r\nok").length > count;

describe("trailers", () => {
  const body = "3\r\nabc\r\n0\r\nX-Sum: 5\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\nX-Atlantic-A: 1\r\n\r\n";

  test("TE: trailers goes to the target, and its trailers come back without those that may not", async () => {
    const { port, seen } = await target(
      () => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`,
    );
    const one = await client();
    one.send(request("GET", port, "Connection: TE\r\nTE: trailers, deflate\r\n"));
    await one.until((received) => received.toString().endsWith("\r\n0\r\nX-Sum: 5\r\n\r\n"));
    expect(one.text()).toContain("Trailer: X-Sum\r\n");
    expect(one.text()).not.toMatch(/Set-Cookie|Content-Length|X-Atlantic-A/);
    expect(seen[0]).toContain("Connection: TE\r\nTE: trailers\r\n");
  });

  test("of a request go on, without those that may not", async () => {
    const { port, seen } = await target((text) => (text.endsWith("0\r\nX-Sum: 5\r\n\r\n") ? OK : undefined));
    const one = await client();
    one.send(request("POST", port, "Transfer-Encoding: chunked\r\n", body));
    await one.until(oks(1));
    expect(seen.join("")).not.toMatch(/Set-Cookie|Content-Length|X-Atlantic-A/);
  });

  test("are dropped for a client of HTTP/1.0", async () => {
    const { port } = await target(() => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
    const one = await client();
    one.send(request("GET", port, "", "", "1.0"));
    expect(await one.ended()).toMatch(/\r\n\r\nabc$/);
  });

  test("that are no fields break the message off", async () => {
    const { port } = await target(() => undefined);
    for (const line of ["no colon", "Bad Name: 1", "X-A : 1", " X-A: folded", "X-A: \0"]) {
      const one = await client();
      one.send(request("POST", port, "Transfer-Encoding: chunked\r\n", `0\r\n${line}\r\n\r\n`));
      expect(await one.ended(), line).toMatch(/^HTTP\/1.1 400 /);
    }
  });
});

describe("what the target may not say in our name", () => {
  test("Proxy-Status, Proxy-Authenticate, X-Atlantic-* and fields for this hop never reach the client", async () => {
    const { port } = await target(
      () =>
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nProxy-Status: atlantic; error=dns_error\r\nProxy-Authenticate: Basic\r\n" +
        "X-Atlantic-Request-Id: forged\r\nProxy-Connection: close\r\nKeep-Alive: timeout=5\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nok",
    );
    const one = await client();
    one.send(request("GET", port));
    await one.until(oks(1));
    expect(one.text().replace(/Date: .* GMT/, "Date: D")).toBe(
      "HTTP/1.1 200 OK\r\nX-Kept: yes\r\nContent-Length: 2\r\nDate: D\r\nVia: 1.1 atlantic\r\n\r\nok",
    );
  });

  test("a 407 of the target's is no question for the proxy's password", async () => {
    const { port } = await target(
      () => "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
    );
    const one = await client();
    one.send(request("GET", port, "Connection: close\r\n"));
    const answer = await one.ended();
    expect(answer).toMatch(/^HTTP\/1.1 502 /);
    expect(answer).not.toContain("Proxy-Authenticate");
  });

  test("Via names the version of the hop before, and targets never see one", async () => {
    const { port, seen } = await target(
      () => "HTTP/1.0 200 OK\r\nVia: 1.1 cdn\r\nContent-Length: 2\r\n\r\nok",
    );
    const one = await client();
    one.send(request("GET", port));
    await one.until(oks(1));
    expect(one.text()).toMatch(/Via: 1.1 cdn\r\n(.*\r\n)*Via: 1.0 atlantic\r\n/);
    expect(seen[0]).not.toMatch(/via|forwarded/i);
  });
});

describe("expectations", () => {
  test("a target that is known to speak HTTP/1.0 is not asked to continue: 417", async () => {
    const { port, seen } = await target(() => "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    const one = await client();
    one.send(request("GET", port));
    await one.until(oks(1));
    one.send(request("POST", port, "Expect: 100-continue\r\nContent-Length: 4\r\n"));
    expect(await one.ended()).toMatch(/HTTP\/1.1 417 [\s\S]*Proxy-Status: atlantic; /);
    expect(seen.length).toBe(1);
  });

  test("of a client of HTTP/1.0 are ignored", async () => {
    const { port, seen } = await target(() => OK);
    const one = await client();
    one.send(request("POST", port, "Expect: 100-continue\r\nContent-Length: 1\r\n", "x", "1.0"));
    expect(await one.ended()).toMatch(/ok$/);
    expect(seen.join("")).not.toContain("Expect");
  });

  test("a final answer instead of 100 (Continue) comes back, and the body is nobody's request", async () => {
    const { port, seen } = await target(() => "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nok");
    const one = await client();
    one.send(request("POST", port, "Expect: 100-continue\r\nContent-Length: 400\r\n"));
    await one.until((received) => received.includes("413"));
    one.send(request("GET", port));
    expect(await one.ended()).toContain("Connection: close\r\n");
    expect(seen.length).toBe(1);
  });
});

describe("fields that ask for an exit", () => {
  test("go to no target, and hold for their request alone", async () => {
    const { port, seen, sockets } = await target(() => OK);
    const one = await client();
    for (const [count, fields] of ["X-Atlantic-City: berlin\r\n", ""].entries()) {
      one.send(request("GET", port, fields));
      await one.until(oks(count + 1));
    }
    expect(seen.join("")).not.toMatch(/atlantic/i);
    expect(new Set(sockets.map(({ remoteAddress }) => remoteAddress?.startsWith("127.1.2.")))).toEqual(
      new Set([true]),
    );
  });

  test.each(["X-Atlantic-Country: jp", "X-Atlantic-Cuontry: de", "X-Atlantic-Country: nowhere"])(
    "that say something else than the user name, or nothing that is known, are refused: %s",
    async (field) => {
      const one = await client();
      one.send(request("GET", 9, `${field}\r\n`));
      expect(await one.ended()).toMatch(/^HTTP\/1.1 400 [\s\S]*bad_username/);
    },
  );
});

describe("lengths and ends", () => {
  test("a length of 0 goes on, and the target's two equal lengths become one", async () => {
    const { port, seen } = await target(
      () => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    );
    const one = await client();
    one.send(request("POST", port, "Content-Length: 0\r\n"));
    await one.until(oks(1));
    expect(seen[0]).toContain("\r\nContent-Length: 0\r\n");
    expect(one.text().match(/Content-Length/g)?.length).toBe(1);
  });

  test("a client that ends before its body does gets no answer, and the target no whole request", async () => {
    const { port, sockets } = await target(() => undefined);
    const one = await client();
    one.send(request("POST", port, "Content-Length: 10\r\n", "hello"));
    one.socket.end();
    expect(await one.ended()).toBe("");
    await expect
      .poll(() => sockets.every(({ readableEnded, destroyed }) => readableEnded || destroyed))
      .toBe(true);
  });

  test.each(["early", ""])(
    "CONNECT, first bytes (%j) and FIN in one go all arrive, and the answer comes back",
    async (early) => {
      let text = "";
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        opened.push(socket);
        socket.on("error", () => {});
        socket.on("data", (chunk) => {
          text += chunk;
        });
        socket.on("end", () => socket.end(`<${text}>`));
      });
      opened.push(server);
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      const one = await client();
      one.send(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n${authorization()}\r\n${early}`);
      one.socket.end();
      const answer = await one.ended();
      expect(answer).toMatch(/^HTTP\/1.1 200 /);
      expect(answer.endsWith(`\r\n\r\n<${early}>`)).toBe(true);
    },
  );

  test("a connection with a client of HTTP/1.0 is closed behind the answer", async () => {
    const { port } = await target(() => OK);
    const one = await client();
    one.send(request("GET", port, "Connection: keep-alive\r\n", "", "1.0"));
    expect(await one.ended()).toMatch(/Connection: close\r\n[\s\S]*ok$/);
  });

  test("CONNECT and TRACE with a body are refused", async () => {
    for (const line of ["CONNECT 127.0.0.1:80 HTTP/1.1", "TRACE http://127.0.0.1:80/ HTTP/1.1"]) {
      const one = await client();
      one.send(`${line}\r\nHost: x\r\n${authorization()}Content-Length: 3\r\n\r\nabc`);
      expect(await one.ended()).toMatch(/^HTTP\/1.1 400 /);
    }
  });

  test("TRACE at its last hop shows the request without its secrets", async () => {
    const one = await client();
    one.send(request("TRACE", 9, "Max-Forwards: 0\r\nCookie: a=b\r\nX-Kept: yes\r\n"));
    const answer = await one.ended();
    expect(answer).toMatch(/^HTTP\/1.1 200 [\s\S]*message\/http/);
    expect(answer).toContain("X-Kept: yes\r\n");
    expect(answer).not.toMatch(/cookie|authorization/i);
  });

  test("what comes behind chunks from HTTP/1.0 is never another answer", async () => {
    const { port, sockets } = await target(
      () =>
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    const one = await client();
    const answers = (count: number) => (received: Buffer) =>
      received.toString().split("\r\n0\r\n\r\n").length > count;
    one.send(request("GET", port));
    await one.until(answers(1));
    one.send(request("GET", port));
    await one.until(answers(2));
    expect(sockets.length).toBe(2);
  });

  test("a target that switches to what nobody asked for is not followed", async () => {
    const { port } = await target(
      () => "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    );
    const one = await client();
    one.send(request("GET", port, "Connection: Upgrade, close\r\nUpgrade: websocket\r\n"));
    expect(await one.ended()).toMatch(/^HTTP\/1.1 502 /);
  });

  test("a target's header of more than 64 KiB, or 256 fields, is refused", async () => {
    for (const fields of [`X-A: ${"a".repeat(70_000)}\r\n`, "X-A: 1\r\n".repeat(257)]) {
      const { port } = await target(() => `HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`);
      const one = await client();
      one.send(request("GET", port, "Connection: close\r\n"));
      expect(await one.ended()).toMatch(/^HTTP\/1.1 502 /);
    }
  });
});

describe("a request is sent again", () => {
  /** A target that answers the first request of a connection and closes at the second, which it may have read. */
  const closingAtSecond = (last: string) => {
    const answered = new WeakSet<Socket>();
    return target((_, socket) => {
      if (!answered.has(socket)) {
        answered.add(socket);
        return OK;
      }
      socket.end(last);
      return undefined;
    });
  };

  test("once, when a kept connection closed without a word and nothing can happen twice", async () => {
    const { port, seen } = await closingAtSecond("");
    const one = await client();
    for (let count = 1; count <= 2; count++) {
      one.send(request("GET", port));
      await one.until(oks(count));
    }
    expect(seen.length).toBe(3);
  });

  test.each([
    ["POST", "", "", 502],
    ["PUT with a body", "Content-Length: 1\r\n", "x", 502],
    ["GET after a word of the answer", "", "HTTP/1.1 200 OK\r\nX-", 502],
    ["GET after an interim answer", "", "HTTP/1.1 103 Early Hints\r\n\r\n", 502],
  ])("never: %s", async (name, fields, last, status) => {
    const { port, seen } = await closingAtSecond(name.startsWith("PUT") ? "" : last);
    const one = await client();
    one.send(request("GET", port));
    await one.until(oks(1));
    one.send(request(name.split(" ")[0] ?? "", port, fields, name.startsWith("PUT") ? "x" : ""));
    await one.until((received) => received.includes(`HTTP/1.1 ${status} `));
    expect(seen.length).toBe(2);
  });
});

describe("slowness", () => {
  test("a body that trickles is refused, however steadily", async () => {
    const { port } = await target(() => undefined);
    const one = await client();
    one.send(request("POST", port, "Content-Length: 100000\r\n"));
    const trickle = setInterval(() => one.send("x"), 50);
    try {
      expect(await one.ended()).toMatch(/^HTTP\/1.1 408 [\s\S]*body_timeout/);
    } finally {
      clearInterval(trickle);
    }
  });

  test("a header that trickles is refused, however steadily", async () => {
    const one = await client();
    one.send("GET http://a.example/ HTTP/1.1\r\nHost: ");
    const trickle = setInterval(() => one.send("x"), 50);
    try {
      expect(await one.ended()).toMatch(/^HTTP\/1.1 408 /);
    } finally {
      clearInterval(trickle);
    }
  });
});

describe("nodes of ours", () => {
  test("a list of them that is too long is refused as a loop, and none goes to the target", async () => {
    const { port, seen } = await target(() => OK);
    const one = await client();
    one.send(request("GET", port, "X-Atlantic-Nodes: aa, bb\r\n"));
    await one.until(oks(1));
    expect(seen[0]).not.toMatch(/nodes/i);
    one.send(
      request("GET", port, `Connection: close\r\nX-Atlantic-Nodes: ${Array(8).fill("aa").join(", ")}\r\n`),
    );
    expect(await one.ended()).toMatch(/HTTP\/1.1 502 [\s\S]*proxy_loop_detected/);
  });
});
