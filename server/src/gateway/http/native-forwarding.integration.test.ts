import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import {
  type AllowanceEvents,
  CarrierEngine,
  carrierEngine,
  createAllowance,
  createRate,
  LocalAllowance,
  LocalRate,
} from "@atlantic/native";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type FlowLimits, noFlowLimits } from "../flow-limits.ts";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";

const opened: (Server | Socket)[] = [];
const clients: RawClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
});

interface Origin {
  readonly port: number;
  /** All that its connections got, in order. */
  seen(): string;
  readonly sockets: Socket[];
}

/** A target that answers each request, head and body, with what the test says. */
async function origin(answer: (request: string, socket: Socket) => string | undefined): Promise<Origin> {
  const sockets: Socket[] = [];
  let all = "";
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    opened.push(socket);
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      const part = chunk.toString("latin1");
      all += part;
      text += part;
      for (let end = endOfRequest(text); end > 0; end = endOfRequest(text)) {
        const words = answer(text.slice(0, end), socket);
        text = text.slice(end);
        if (words !== undefined) socket.write(words, "latin1");
      }
    });
    socket.on("end", () => socket.end());
  });
  opened.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { port, sockets, seen: () => all };
}

/** Where the first request ends; -1 while it is not all there. */
function endOfRequest(text: string): number {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return -1;
  const fields = text.slice(0, head).toLowerCase();
  if (fields.includes("transfer-encoding: chunked")) {
    const end = /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(head + 2));
    return end ? head + 2 + end.index + end[0].length : -1;
  }
  const end = head + 4 + Number(/content-length: (\d+)/.exec(fields)?.[1] ?? 0);
  return text.length >= end ? end : -1;
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const oks = (count: number) => (received: Buffer) =>
  received.toString("latin1").split("\r\n\r\nok").length > count;

function authorization({ account }: GatewayFixture, parts = "-cc-de-sid-n"): string {
  const { username, password } = account;
  return `Proxy-Authorization: Basic ${Buffer.from(`${username}${parts}:${password}`).toString("base64")}\r\n`;
}

function ask(fixture: GatewayFixture, port: number, method = "GET", fields = "", body = ""): string {
  const host = `127.0.0.1:${port}`;
  return `${method} http://${host}/p HTTP/1.1\r\nHost: ${host}\r\n${authorization(fixture)}${fields}\r\n${body}`;
}

async function client(fixture: GatewayFixture): Promise<RawClient> {
  const one = await rawClient(fixture.gateway.port);
  clients.push(one);
  return one;
}

/** A client whose connection has carried plain requests until the engine took it over, where there is one. */
async function settled(fixture: GatewayFixture, port: number): Promise<RawClient> {
  const one = await client(fixture);
  for (let count = 1; count <= 3; count++) {
    one.send(ask(fixture, port));
    await one.until(oks(count));
  }
  return one;
}

async function rows({ usage, database }: GatewayFixture) {
  await usage.flush();
  return database.db.selectFrom("proxy_connections").selectAll().orderBy("opened_at").execute();
}

describe.each([
  ["the engine", true],
  ["TypeScript alone", false],
])("a kept connection that %s forwards", (_, native) => {
  let fixture: GatewayFixture;
  const forward = vi.spyOn(CarrierEngine.prototype, "forward");
  const wasNative = () => forward.mock.calls.length > 0;

  let limits: FlowLimits = noFlowLimits;
  const makeAllowance = native
    ? createAllowance
    : (low: number, on: AllowanceEvents) => new LocalAllowance(low, on);
  const makeRate = native ? createRate : (speed: number | null) => new LocalRate(speed);

  beforeAll(async () => {
    fixture = await startGatewayFixture({
      native,
      limits: { headerMs: 1_000 },
      flowLimits: { admit: () => limits, checkTarget: () => {} },
    });
  });
  afterEach(() => {
    limits = noFlowLimits;
    expect(wasNative()).toBe(native && carrierEngine() !== null);
    forward.mockClear();
  });
  afterAll(() => fixture.close());

  test("answers requests of all plain kinds, one after the other and sent at once", async () => {
    const { port, seen, sockets } = await origin((text) =>
      text.startsWith("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" : OK,
    );
    const one = await settled(fixture, port);
    one.send(ask(fixture, port, "HEAD"));
    await one.until((received) => received.includes("Content-Length: 9"));
    one.send(
      ask(fixture, port, "POST", "Content-Length: 4\r\n", "body") +
        ask(fixture, port, "PUT", "Content-Length: 0\r\n") +
        ask(fixture, port, "DELETE"),
    );
    await one.until(oks(6));
    expect(sockets.length).toBe(1);
    expect(seen().match(/(GET|HEAD|POST|PUT|DELETE) \/p HTTP\/1\.1\r\n/g)?.length).toBe(7);
    expect(seen()).not.toMatch(/proxy-|atlantic/i);
  });

  test("carries large bodies both ways, to the byte", async () => {
    const length = 3_000_000;
    const { port } = await origin((text) =>
      text.startsWith("POST")
        ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${length.toString(16)}\r\n${text.slice(-length)}\r\n0\r\nX-Sum: 1\r\n\r\n`
        : OK,
    );
    const one = await settled(fixture, port);
    const body = Array.from({ length: length / 10 }, (_, at) => String(at).padStart(10, "0")).join("");
    one.send(ask(fixture, port, "POST", `Content-Length: ${length}\r\n`, body));
    await one.until((received) => received.subarray(-20).includes("\r\n0\r\nX-Sum: 1\r\n\r\n"));
    expect(one.text().includes(`\r\n\r\n${length.toString(16)}\r\n${body}\r\n0\r\n`)).toBe(true);
  });

  test("counts bytes and requests to the last one", async () => {
    const { port, sockets } = await origin(() => OK);
    const before = (await rows(fixture)).length;
    const one = await settled(fixture, port);
    for (let count = 4; count <= 10; count++) {
      one.send(ask(fixture, port, count % 2 ? "GET" : "POST", "Content-Length: 3\r\n", "abc"));
      await one.until(oks(count));
    }
    one.socket.end();
    await one.ended();
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
    const row = (await rows(fixture))[before];
    const [socket] = sockets;
    expect([row?.outcome, row?.requests, row?.sent_bytes, row?.received_bytes].map(String)).toEqual(
      ["ended", 10, socket?.bytesRead, socket?.bytesWritten].map(String),
    );
  });

  test("goes on with what is not plain, and with plain requests behind it", async () => {
    let answer = OK;
    const { port, seen } = await origin(() => answer);
    const one = await settled(fixture, port);
    one.send(ask(fixture, port, "POST", "Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"));
    await one.until(oks(4));
    answer = `HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n${OK}`;
    for (let count = 5; count <= 12; count++) {
      one.send(ask(fixture, port));
      await one.until(oks(count));
    }
    expect(one.text()).toContain("HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n");
    one.send(ask(fixture, port, "GET", "Connection: close\r\n"));
    await one.ended();
    expect(seen().match(/^GET|^POST/gm)?.length).toBe(13);
  });

  test("becomes a WebSocket, and a refused request is refused", async () => {
    const { port } = await origin((text) =>
      text.includes("Upgrade: websocket")
        ? "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly"
        : OK,
    );
    const one = await settled(fixture, port);
    one.send(ask(fixture, port, "GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    await one.until((received) => received.includes("early"));
    const other = await settled(fixture, port);
    other.send("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: a b\r\n\r\n");
    expect(await other.ended()).toMatch(/HTTP\/1.1 400 [\s\S]*Proxy-Status: atlantic/);
  });

  test("asks again when the target closed in between, once and only where nothing can happen twice", async () => {
    const { port, seen, sockets } = await origin((text, socket) => {
      if (!text.includes("X-Close")) return OK;
      if (sockets.indexOf(socket) > 0) return OK;
      socket.destroy();
      return undefined;
    });
    const one = await settled(fixture, port);
    one.send(ask(fixture, port, "GET", "X-Close: 1\r\n"));
    await one.until(oks(4));
    expect(seen().match(/X-Close/g)?.length).toBe(2);
    one.socket.end();
    await one.ended();
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
    const [row] = (await rows(fixture)).slice(-1);
    const lost = row?.uncharged_sent_bytes ?? 0n;
    expect(lost).toBeGreaterThan(50n);
    expect(Number((row?.sent_bytes ?? 0n) + lost)).toBe(seen().length);
    const other = await settled(fixture, port);
    sockets.splice(0, sockets.length, ...sockets.slice(-1));
    other.send(ask(fixture, port, "POST", "X-Close: 1\r\nContent-Length: 1\r\n", "x"));
    await other.until((received) => received.includes("HTTP/1.1 502"));
  });

  test("passes on the end of an answer that breaks off, or has no length, as what it is", async () => {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    const { port } = await origin((text, socket) => {
      if (!text.includes("X-Last")) return OK;
      socket.end(last);
      return undefined;
    });
    const one = await settled(fixture, port);
    one.send(ask(fixture, port, "GET", "X-Last: 1\r\n"));
    expect(await one.ended()).toMatch(/half$/);
    last = "HTTP/1.1 200 OK\r\n\r\nall of it";
    const other = await settled(fixture, port);
    other.send(ask(fixture, port, "GET", "X-Last: 1\r\n"));
    expect(await other.ended()).toMatch(/Connection: close\r\n[\s\S]*all of it$/);
  });

  test("an answer before the whole request ends the client's connection behind it", async () => {
    let early: Socket | undefined;
    const { port, seen } = await origin((_, socket) => {
      early = socket;
      return OK;
    });
    const one = await settled(fixture, port);
    one.send(ask(fixture, port, "POST", "Content-Length: 100\r\n", "some"));
    await expect.poll(() => seen().endsWith("some")).toBe(true);
    early?.write("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
    expect(await one.ended()).toMatch(/HTTP\/1.1 413 No\r\n[\s\S]*Connection: close\r\n/);
  });

  test("a client that ends its half gets its answer first", async () => {
    const { port } = await origin(() => OK);
    const one = await settled(fixture, port);
    one.send(ask(fixture, port));
    one.socket.end();
    await one.ended();
    expect(oks(4)(one.received())).toBe(true);
  });

  test("a header that comes in pieces is read, and one that never ends is refused", async () => {
    const { port } = await origin(() => OK);
    const one = await settled(fixture, port);
    const text = ask(fixture, port);
    for (const piece of [text.slice(0, 10), text.slice(10, 90), text.slice(90)]) {
      one.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await one.until(oks(4));
    one.send(text.slice(0, 40));
    expect(await one.ended()).toMatch(/HTTP\/1.1 408 /);
  });

  test("moves what the allowance holds and not a byte more, and waits for what is added", async () => {
    const allowance = makeAllowance(0, {
      onLow: () => {},
      onDry: () => (added++ === 0 ? allowance.add(5_000) : allowance.close()),
    });
    let added = 0;
    allowance.add(20_000);
    limits = { ...noFlowLimits, allowance };
    const { port, sockets } = await origin(
      () => `HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n${"x".repeat(3_000)}`,
    );
    const one = await client(fixture);
    for (let asked = 0; asked < 3; asked++) {
      one.send(ask(fixture, port));
      await one.until((received) => received.length > (asked + 1) * 3_000);
    }
    for (let asked = 0; asked < 9; asked++) one.send(ask(fixture, port));
    await one.ended();
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
    const [row] = (await rows(fixture)).slice(-1);
    expect(row?.outcome).toBe("quota_exhausted");
    expect((row?.sent_bytes ?? 0n) + (row?.received_bytes ?? 0n)).toBe(25_000n - BigInt(allowance.remaining));
    expect(allowance.remaining).toBe(0);
    expect(sockets[0]?.bytesRead).toBe(Number(row?.sent_bytes));
  });

  test("moves as fast as the rate allows, and at once faster when it is raised", async () => {
    const rate = makeRate(400_000);
    limits = { ...noFlowLimits, rate };
    const { port } = await origin((text) =>
      text.startsWith("POST")
        ? `HTTP/1.1 200 OK\r\nContent-Length: 200002\r\n\r\n${"x".repeat(200_000)}ok`
        : OK,
    );
    const one = await settled(fixture, port);
    const began = performance.now();
    one.send(ask(fixture, port, "POST", "Content-Length: 1\r\n", "x"));
    await one.until((received) => received.subarray(-2).toString() === "ok" && received.length > 200_000);
    expect(performance.now() - began).toBeGreaterThan(150);
    rate.set(null);
    one.send(ask(fixture, port));
    await one.until(oks(4));
  });

  test("is cut at once when its owner ends it, or its credential is revoked", async () => {
    const { port } = await origin(() => OK);
    for (const [reason, cut] of [
      ["disconnected", (row: { id: string }) => fixture.gateway.disconnect(row.id)],
      [
        "credential_revoked",
        (row: { credential_id: string }) => fixture.gateway.disconnectCredential(row.credential_id),
      ],
    ] as const) {
      const one = await settled(fixture, port);
      const open = (await rows(fixture)).filter(({ closed_at }) => closed_at === null);
      const [row] = open.slice(-1);
      if (row) cut(row);
      await one.ended();
      await expect
        .poll(async () => (await rows(fixture)).find(({ id }) => id === row?.id)?.outcome)
        .toBe(reason);
    }
  });
});

describe("the engine and TypeScript alone", () => {
  let both: readonly [GatewayFixture, GatewayFixture];
  beforeAll(async () => {
    both = [await startGatewayFixture({ native: true }), await startGatewayFixture({ native: false })];
  });
  afterAll(() => Promise.all(both.map((fixture) => fixture.close())));

  const field = fc.constantFrom(
    "X-A:  spaced \t\r\n",
    "Accept: */*\r\n",
    "Cookie: a=b; c=\xe9\r\n",
    "Connection: keep-alive\r\n",
    "Proxy-Connection: Keep-Alive\r\n",
    "Keep-Alive: timeout=5\r\n",
    "Connection: X-B\r\nX-B: hop\r\n",
    "TE: trailers\r\nConnection: TE\r\n",
    "Max-Forwards: 3\r\n",
    "Trailer: X-T\r\n",
    "Upgrade: h2c\r\n",
    "X-Atlantic-City: berlin\r\n",
  );
  const request = fc.record({
    method: fc.constantFrom("GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"),
    fields: fc.array(field, { maxLength: 3 }),
    body: fc.constantFrom("none", "empty", "counted", "chunked"),
    answer: fc.nat(9),
  });
  const answers = [
    OK,
    "HTTP/1.1 200\r\nX-B:1\r\nContent-Length: 2\r\nDate: D\r\n\r\nok",
    "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\nVary: x\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nX-B: 1\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nETag: a\r\nContent-Length: 7\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-B\r\nX-B: 1\r\nProxy-Status: x\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nUpgrade: h2\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok",
  ];
  type Wish = typeof request extends fc.Arbitrary<infer One> ? One : never;

  function written(fixture: GatewayFixture, port: number, { method, fields, body, answer }: Wish): string {
    const framing = {
      none: "",
      empty: "Content-Length: 0\r\n",
      counted: "Content-Length: 3\r\n",
      chunked: "Transfer-Encoding: chunked\r\n",
    };
    const payload = { none: "", empty: "", counted: "abc", chunked: "1\r\na\r\n0\r\nX-T: 1\r\n\r\n" };
    return ask(
      fixture,
      port,
      method,
      `${fields.join("")}X-Answer: ${answer}\r\n${framing[body]}`,
      payload[body],
    );
  }

  /** Sends all of it one after the other on one connection. What the target got, and what the client. */
  async function run(fixture: GatewayFixture, wishes: readonly Wish[]) {
    const { port, seen } = await origin((text, socket) => {
      const words = answers[Number(/X-Answer: (\d)/.exec(text)?.[1] ?? 0)] ?? OK;
      const said = text.startsWith("HEAD")
        ? words.slice(0, words.lastIndexOf("\r\n\r\n", words.length - 5) + 4)
        : words;
      socket.write(text.startsWith("HEAD") ? headOf(words) : said, "latin1");
      if (words.includes("Connection: close") || words.startsWith("HTTP/1.0")) socket.end();
      return undefined;
    });
    const one = await settled(fixture, port);
    let over = false;
    one.socket.on("end", () => {
      over = true;
    });
    for (const [number, wish] of wishes.entries()) {
      if (over) break;
      const marker = "X-Answer: 0\r\nX-Mark: ";
      one.send(written(fixture, port, wish));
      one.send(ask(fixture, port, "GET", `${marker}${number}\r\n`));
      await expect
        .poll(() => over || seen().includes(`${marker}${number}`), { timeout: 4_000, interval: 2 })
        .toBe(true);
    }
    one.socket.end();
    await one.ended();
    const plain = (text: string) =>
      text
        .replaceAll(`127.0.0.1:${port}`, "origin")
        .replace(/Date: .* GMT/g, "Date: D")
        .replace(/Request-Id: \S+/g, "Request-Id: R");
    return { seen: plain(seen()), received: plain(one.text()) };
  }

  /** Only the header sections. */
  function headOf(words: string): string {
    const parts = words.split("\r\n\r\n");
    return `${parts.slice(0, words.startsWith("HTTP/1.1 103") ? 2 : 1).join("\r\n\r\n")}\r\n\r\n`;
  }

  test("do the same, byte for byte, with whatever is asked and answered on a connection", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), async (wishes) => {
        const [native, typescript] = await Promise.all(both.map((fixture) => run(fixture, wishes)));
        expect(native).toEqual(typescript);
      }),
      { numRuns: 60, interruptAfterTimeLimit: 4_000 },
    );
  }, 30_000);
});
