import { once } from "node:events";
import { writeSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { unlimitedAllowance } from "./allowance.ts";
import { relayDescriptors } from "./descriptor-relay.ts";
import { dialDirect } from "./dial-direct.ts";
import { carrierEngine } from "./engine/engine.ts";
import { createAllowance, createRate } from "./limits.ts";
import { unlimitedRate } from "./rate.ts";
import type { Relay, RelayOptions } from "./relay.ts";
import { descriptorOf } from "./socket-descriptor.ts";
import { relayStreams } from "./stream-relay.ts";

const opened: (Server | Socket)[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
});

async function listening(onConnection: (socket: Socket) => void): Promise<number> {
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

/** Waits until the number was the same three times in a row. */
async function stillness(read: () => number): Promise<number> {
  let seen = -1;
  for (let still = 0; still < 3; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = read();
    still = now === seen ? still + 1 : 0;
    seen = now;
  }
  return seen;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

type RelayBy = (client: Socket, upstream: Socket, options: RelayOptions) => Relay;

const native: RelayBy = (client, upstream, options) => {
  const relay = relayDescriptors(client, upstream, options);
  if (relay === undefined) throw new Error("The engine does not take these sockets.");
  return relay;
};

const ways: [string, RelayBy][] = [["in JavaScript", relayStreams]];
if (carrierEngine() !== null) ways.push(["by the engine", native]);

describe.each(ways)("a relay %s", (_, relayBy) => {
  /** A client and a target with a relay between them. */
  async function relayed(options: RelayOptions = {}) {
    const target = Promise.withResolvers<Socket>();
    const targetPort = await listening((socket) => target.resolve(socket));
    const middle = Promise.withResolvers<{ relay: Relay; upstream: Socket }>();
    const relayPort = await listening(async (socket) => {
      const upstream = await dialDirect({ host: "127.0.0.1", port: targetPort, timeoutMs: 5000 });
      middle.resolve({ relay: relayBy(socket, upstream, options), upstream });
    });
    const client = connect({ port: relayPort, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => {});
    opened.push(client);
    return { client, target: await target.promise, ...(await middle.promise) };
  }

  test("a client that ends its half still gets the whole answer", async () => {
    const { client, target, relay } = await relayed();
    client.end("question");
    expect((await readAll(target)).toString()).toBe("question");
    target.end("answer");
    expect((await readAll(client)).toString()).toBe("answer");
    expect(await relay.closed).toEqual({ kind: "ended" });
    expect(relay.counters()).toEqual({ sentBytes: 8, receivedBytes: 6 });
  });

  test("a target that ends its half and reads no more does not hold the relay for ever", async () => {
    const { client, target, relay } = await relayed({ halfOpenIdleMs: 300 });
    target.pause();
    client.resume();
    // Until the way to the target is full and the relay holds the rest.
    let taken = -1;
    while (relay.counters().sentBytes > taken) {
      taken = relay.counters().sentBytes;
      for (let more = 0; more < 16; more++) client.write(Buffer.alloc(65_536));
      await stillness(() => relay.counters().sentBytes);
    }
    client.end();
    target.end();
    expect(await relay.closed).toEqual({ kind: "idle" });
  });

  test("a target that ends its half first still gets all that the client sends", async () => {
    const { client, target, relay } = await relayed();
    target.end("greeting");
    expect((await readAll(client)).toString()).toBe("greeting");
    client.end(Buffer.alloc(100_000));
    expect((await readAll(target)).length).toBe(100_000);
    expect(await relay.closed).toEqual({ kind: "ended" });
    expect(relay.counters()).toEqual({ sentBytes: 100_000, receivedBytes: 8 });
  });

  test.each(["client", "upstream"] as const)("a reset by the %s is a reset on the other side", async (by) => {
    const { client, target, relay } = await relayed();
    client.write("x");
    await once(target, "data");
    const [from, to] = by === "client" ? [client, target] : [target, client];
    const failed = once(to, "error");
    to.resume();
    from.resetAndDestroy();
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe("ECONNRESET");
    expect(await relay.closed).toEqual({ kind: "reset", by });
  });

  test("a slow reader holds the writer back instead of filling memory, and every byte arrives", async () => {
    const { client, target, relay } = await relayed();
    const total = 64 << 20;
    const block = Buffer.alloc(1 << 20, 7);
    let written = 0;
    const fill = () => {
      while (written < total) {
        written += block.length;
        if (!target.write(block)) return void target.once("drain", fill);
      }
      target.end();
    };
    fill();
    client.pause();
    // The writer has stopped when nothing has been taken for three looks in a row.
    expect(await stillness(() => relay.counters().receivedBytes)).toBeLessThan(32 << 20);
    client.end();
    expect((await readAll(client)).length).toBe(total);
    await relay.closed;
    expect(relay.counters().receivedBytes).toBe(total);
  });

  test("a closed relay cuts both sides with RST and says why", async () => {
    const { client, target, relay } = await relayed();
    const failures = [once(client, "error"), once(target, "error")];
    client.resume();
    target.resume();
    relay.close("quota_exhausted");
    for (const failure of failures)
      expect(((await failure)[0] as NodeJS.ErrnoException).code).toBe("ECONNRESET");
    expect(await relay.closed).toEqual({ kind: "closed", reason: "quota_exhausted" });
  });

  test("an aborted signal closes the relay", async () => {
    const abort = new AbortController();
    const { relay } = await relayed({ signal: abort.signal });
    abort.abort();
    expect(await relay.closed).toEqual({ kind: "closed", reason: "aborted" });
  });

  test("a silent relay ends, sooner once one side has ended its half", async () => {
    const { client, relay } = await relayed({ idleMs: 60_000, halfOpenIdleMs: 20 });
    client.end();
    expect(await relay.closed).toEqual({ kind: "idle" });
  });

  test("an allowance lets exactly its bytes through and cuts the rest", async () => {
    const dry = Promise.withResolvers<void>();
    const allowance = createAllowance(0, { onLow: () => {}, onDry: () => dry.resolve() });
    allowance.add(100_001);
    const { client, target, relay } = await relayed({ limits: { allowance, rate: unlimitedRate } });
    let got = 0;
    client.on("data", (bytes: Buffer) => {
      got += bytes.length;
    });
    client.on("error", () => {});
    target.write(Buffer.alloc(300_000));
    await dry.promise;
    await expect.poll(() => got, { interval: 2 }).toBe(100_001);
    allowance.close();
    expect(await relay.closed).toEqual({ kind: "closed", reason: "quota_exhausted" });
    expect(relay.counters()).toEqual({ sentBytes: 0, receivedBytes: 100_001 });
  });

  test("what an allowance let through arrives before the cut, even where the client reads late", async () => {
    const dry = Promise.withResolvers<void>();
    const allowance = createAllowance(0, { onLow: () => {}, onDry: () => dry.resolve() });
    allowance.add(600_000);
    const { client, target, relay } = await relayed({ limits: { allowance, rate: unlimitedRate } });
    client.pause();
    target.write(Buffer.alloc(3_000_000));
    await dry.promise;
    allowance.close();
    let got = 0;
    client.on("data", (bytes: Buffer) => {
      got += bytes.length;
    });
    client.resume();
    expect(await relay.closed).toEqual({ kind: "closed", reason: "quota_exhausted" });
    expect(relay.counters()).toEqual({ sentBytes: 0, receivedBytes: 600_000 });
    await expect.poll(() => client.destroyed, { interval: 2 }).toBe(true);
    expect(client.errored).toMatchObject({ code: "ECONNRESET" });
    expect(got).toBe(600_000);
  });

  test("a rate is held, and a new one holds at once", async () => {
    const rate = createRate(1_000_000);
    const { client, target, relay } = await relayed({ limits: { allowance: unlimitedAllowance, rate } });
    const began = performance.now();
    target.write(Buffer.alloc(400_000));
    client.resume();
    await expect.poll(() => relay.counters().receivedBytes, { interval: 2 }).toBe(400_000);
    // A burst of a tenth of a second may pass at once; what is late is the machine's fault.
    expect(performance.now() - began).toBeGreaterThan(400 * 0.9 - 100);
    rate.set(null);
    target.end(Buffer.alloc(50_000_000));
    client.end();
    await relay.closed;
    expect(relay.counters().receivedBytes).toBe(50_400_000);
  });
});

describe.runIf(carrierEngine() !== null)("a relay by the engine", () => {
  test("passes on what a target said before it reset, whatever the client was sending then", async () => {
    const chunk = Buffer.alloc(65_536);
    for (let round = 0; round < 25; round++) {
      const targetPort = await listening((target) => {
        let heard = 0;
        target.on("data", (bytes) => {
          heard += bytes.length;
          if (heard < 3_000_000 || target.destroyed) return;
          target.write("413");
          // What it has not read by now makes it an RST.
          target.destroy();
        });
      });
      const relayPort = await listening(async (socket) => {
        native(socket, await dialDirect({ host: "127.0.0.1", port: targetPort, timeoutMs: 5000 }), {});
      });
      const client = connect({ port: relayPort, host: "127.0.0.1" });
      opened.push(client);
      client.on("error", () => {});
      let heard = "";
      client.on("data", (bytes) => {
        heard += bytes;
      });
      await once(client, "connect");
      const descriptor = descriptorOf(client);
      // Past the stream, which would throw away what has come once it cannot send any more.
      const sending = setInterval(() => {
        try {
          while (descriptor !== undefined) writeSync(descriptor, chunk);
        } catch {}
      }, 0);
      await new Promise((resolve) => client.once("close", resolve));
      clearInterval(sending);
      expect(heard).toBe("413");
    }
  });
});
