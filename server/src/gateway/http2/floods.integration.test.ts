import { once } from "node:events";
import { constants } from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCountingOrigin } from "../testing/counting-origin.ts";
import { startCountingRelay } from "../testing/counting-relay.ts";
import { keptUsage } from "../testing/kept-usage.ts";
import { FRAME, frame, headerBlock, rawFrames } from "../testing/raw-frames.ts";
import { answerOf, startTlsFixture, type TlsFixture } from "../testing/tls-fixture.ts";
import { CONCURRENT_STREAMS, CONTROL_FRAMES_PER_SECOND, RESET_BURST } from "./session-limits.ts";

const { NGHTTP2_ENHANCE_YOUR_CALM: CALM } = constants;
const END_HEADERS = 4;
const usage = keptUsage();
let fixture: TlsFixture;

beforeAll(async () => {
  fixture = await startTlsFixture({ usage, limits: { keepAliveMs: 2_000 } });
});

afterAll(() => fixture.close());

const open = () => rawFrames(fixture.tlsPort, fixture.ca);
const connectBlock = () =>
  headerBlock([
    [":method", "CONNECT"],
    [":authority", "127.0.0.1:1"],
  ]);

describe("an HTTP/2 connection is ended when it", () => {
  test("resets streams as fast as it opens them (CVE-2023-44487)", async () => {
    const raw = await open();
    for (let index = 0; index < RESET_BURST * 2; index++) {
      const id = index * 2 + 1;
      raw.send(
        frame(FRAME.headers, END_HEADERS, id, connectBlock()),
        frame(FRAME.reset, 0, id, Buffer.from([0, 0, 0, 8])),
      );
    }
    expect(await raw.goAway()).toBeGreaterThan(0);
    raw.socket.destroy();
  });

  test("sends ping after ping", async () => {
    const raw = await open();
    for (let index = 0; index < CONTROL_FRAMES_PER_SECOND * 3; index++)
      raw.send(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    expect(await raw.goAway()).toBe(CALM);
    raw.socket.destroy();
  });

  test("changes its settings again and again", async () => {
    const raw = await open();
    for (let index = 0; index < CONTROL_FRAMES_PER_SECOND * 3; index++) raw.send(frame(FRAME.settings, 0, 0));
    expect(await raw.goAway()).toBe(CALM);
    raw.socket.destroy();
  });

  test("sends frames that carry nothing", async () => {
    const raw = await open();
    const nothing = Buffer.concat(
      Array.from({ length: 20_000 }, () => frame(0x42, 0, 0, Buffer.alloc(1_000))),
    );
    raw.send(nothing);
    expect(await raw.goAway()).toBe(CALM);
    raw.socket.destroy();
  });

  test("continues a header section without end", async () => {
    const raw = await open();
    raw.send(frame(FRAME.headers, 0, 1, connectBlock()));
    const more = headerBlock([["x", "y".repeat(100)]]);
    for (let index = 0; index < 2_000; index++) raw.send(frame(FRAME.continuation, 0, 1, more));
    await Promise.race([raw.goAway(), once(raw.socket, "close")]);
    raw.socket.destroy();
  });

  test("says nothing for too long", async () => {
    const raw = await open();
    await once(raw.socket, "close");
  });
});

describe("an HTTP/2 connection", () => {
  test("may have so many streams at once and no more", async () => {
    const session = fixture.http2();
    await once(session, "remoteSettings");
    expect(session.remoteSettings.maxConcurrentStreams).toBe(CONCURRENT_STREAMS);
    const raw = await open();
    for (let index = 0; index < CONCURRENT_STREAMS + 150; index++) {
      // Their headers never end, so that each of them stays open.
      raw.send(frame(FRAME.headers, END_HEADERS, index * 2 + 1, postBlock()));
    }
    await Promise.race([raw.goAway(), once(raw.socket, "close")]);
    raw.socket.destroy();
  });

  test("may send header sections of 16 KiB, answered with 431 beyond that, and reset beyond 32 KiB", async () => {
    const session = fixture.http2();
    const ask = (bytes: number) => {
      const fields: Record<string, string> = {
        ":method": "CONNECT",
        ":authority": "127.0.0.1:1",
        "proxy-authorization": fixture.authorization,
      };
      for (let index = 0; index < bytes / 1_000; index++) fields[`x-${index}`] = "y".repeat(960);
      return answerOf(session.request(fields, { endStream: false }));
    };
    expect((await ask(10_000)).status).toBe(502);
    expect((await ask(20_000)).status).toBe(431);
    expect(await ask(50_000)).toMatchObject({ status: 0 });
  });

  test("leaves those that are known alone, and says GOAWAY when the gateway drains", async () => {
    const origin = await startCountingOrigin();
    const other = await startTlsFixture({ usage: keptUsage() });
    const session = other.http2();
    const stream = session.request(
      {
        ":method": "CONNECT",
        ":authority": `127.0.0.1:${origin.port}`,
        "proxy-authorization": other.authorization,
      },
      { endStream: false },
    );
    const answer = answerOf(stream);
    await once(stream, "response");
    const goAway = once(session, "goaway");
    const drained = other.gateway.drain(20_000);
    expect((await goAway)[0]).toBe(0);
    stream.end("GET /after HTTP/1.0\r\n\r\n");
    expect((await answer).body.toString()).toContain("You asked for /after");
    await drained;
    await other.close();
    await origin.close();
  });

  test("shares what TLS and its frames cost out to its streams, to the byte", async () => {
    const origin = await startCountingOrigin();
    const other = await startTlsFixture({ usage });
    const relay = await startCountingRelay(other.tlsPort);
    const from = usage.connections.length;
    const { connect } = await import("node:http2");
    const session = connect(`https://localhost:${relay.port}`, { ca: other.ca });
    const tunnels = [400_000, 100_000].map((size) => {
      const stream = session.request(
        {
          ":method": "CONNECT",
          ":authority": `127.0.0.1:${origin.port}`,
          "proxy-authorization": other.authorization,
        },
        { endStream: false },
      );
      stream.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`);
      stream.write(Buffer.alloc(size, "b"));
      return { stream, size };
    });
    let carried = 0;
    await Promise.all(
      tunnels.map(async ({ stream, size }) => {
        let body = 0;
        stream.on("data", (chunk: Buffer) => {
          body += chunk.length;
        });
        while (body < size) await once(stream, "data");
      }),
    );
    const [large, small] = usage.connections.slice(from);
    session.destroy();
    while (!large?.end || !small?.end) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const { totals } of [large, small].map((flow) => ({ totals: flow.totals() }))) {
      carried += totals.sentBytes + totals.receivedBytes;
    }
    const costs = [large, small].map((flow) => flow.totals().tlsBytes ?? 0);
    const overhead = relay.counted() - carried;
    expect(costs.reduce((sum, one) => sum + one, 0)).toBe(overhead);
    expect(costs[0]).toBeGreaterThan((costs[1] ?? 0) * 1.5);
    expect(overhead / carried).toBeLessThan(0.02);
    relay.close();
    await other.close();
    await origin.close();
  });
});

function postBlock(): Buffer {
  return headerBlock([
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", "127.0.0.1:1"],
    [":path", "/"],
  ]);
}

test("strangers over HTTP/2 are held to what one address may have, until one shows a right credential", async () => {
  const own = await startTlsFixture({ guard: { strangersAtOnce: 1, strangersPerSecond: 0 } });
  const first = own.http2();
  await once(first, "connect");
  await expect(once(own.http2(), "connect")).rejects.toThrow("disconnected");
  expect(first.closed).toBe(false);
  const login = { ":authority": "127.0.0.1:1", "proxy-authorization": own.authorization };
  expect((await answerOf(first.request({ ...login, ":method": "CONNECT" }))).status).toBeGreaterThan(499);
  await once(own.http2(), "connect");
  await own.close();
});
