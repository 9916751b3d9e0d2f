import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { addonState } from "../addon.ts";
import type { DialError } from "../dial-error.ts";
import { type DialPlan, dialPlan } from "../dial-plan.ts";
import type { CarriedConnection, CarriedTotals, CarryOptions } from "./carried-connection.ts";
import { type CarrierEngine, carrierEngine, handleOfAllowance } from "./engine.ts";
import type { CarrierOutcome } from "./protocol.ts";
import { SharedAllowance } from "./shared-allowance.ts";

const opened: (Server | Socket)[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
});

const found = carrierEngine();

test("there is an engine when the addon is built", () => {
  expect(found === null).toBe(addonState().kind !== "loaded" || process.env.ATLANTIC_NATIVE === "off");
});

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

if (found) theEngineCarries(found);

function theEngineCarries(engine: CarrierEngine): void {
  /** What became of a client. */
  interface Story {
    readonly client: CarriedConnection;
    readonly said: string[];
    readonly failures: DialError[];
    readonly closed: Promise<{ outcome: CarrierOutcome; totals: CarriedTotals }>;
  }

  const usual: CarryOptions = {
    reply: "welcome\n",
    replyEndsInAddress: false,
    early: Buffer.alloc(0),
    connectMs: 5_000,
    idleMs: 60_000,
    halfOpenIdleMs: 60_000,
    allowance: 0,
    rate: 0,
  };

  /** Listens with the engine; every client is told of with its first words. */
  function door(
    decide: (client: CarriedConnection, said: string) => void,
    changes: { headerMs?: number; maxSilent?: number; onFailed?: (story: Story) => void } = {},
  ) {
    const stories: Story[] = [];
    const listener = engine.listen({
      host: "127.0.0.1",
      port: 0,
      reusePort: false,
      headerMs: changes.headerMs ?? 5_000,
      maxSilent: changes.maxSilent ?? 1_000,
      onClient: (client, first) => {
        const closed = Promise.withResolvers<{ outcome: CarrierOutcome; totals: CarriedTotals }>();
        const story: Story = { client, said: [first.toString()], failures: [], closed: closed.promise };
        stories.push(story);
        client.listen({
          onData: (bytes) => {
            story.said.push(bytes.toString());
            decide(client, bytes.toString());
          },
          onDialled: () => {},
          onFailed: (error) => {
            story.failures.push(error);
            changes.onFailed?.(story);
          },
          onTaken: () => {},
          onClosed: (outcome, totals) => closed.resolve({ outcome, totals }),
        });
        decide(client, first.toString());
      },
    });
    onTestFinished(() => listener.stop());
    return { port: listener.port, stories };
  }

  async function clientOf(port: number): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    opened.push(socket);
    await once(socket, "connect");
    return socket;
  }

  async function readAll(socket: Socket): Promise<string> {
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    return text;
  }

  async function storyOf(stories: readonly Story[]): Promise<Story> {
    await expect.poll(() => stories.length, { interval: 2 }).toBe(1);
    const [story] = stories;
    if (story === undefined) throw new Error("There is no client.");
    return story;
  }

  test("a client that is carried as was decided in advance is told of, also when nobody is accepted any more by then", async () => {
    const port = await target((socket) => socket.pipe(socket));
    const told = Promise.withResolvers<CarriedConnection>();
    const listener = engine.listen({
      host: "127.0.0.1",
      port: 0,
      reusePort: false,
      headerMs: 5_000,
      maxSilent: 1_000,
      onClient: () => {},
      onStood: (client) => told.resolve(client),
    });
    const head = Buffer.from("CONNECT a.test:443 HTTP/1.1\r\n\r\n");
    listener.standConnect({
      ...usual,
      number: 1,
      livesMs: 60_000,
      uses: 1,
      client: "127.0.0.1",
      head,
      reply: { kind: "with id", before: "you are ", behind: "\n" },
      plan: { addresses: ["127.0.0.1"], port },
    });
    const client = await clientOf(listener.port);
    client.write(head);
    // The engine goes on meanwhile, and this thread hears of the client only afterwards.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    listener.stop();
    expect((await told.promise).address).toBe("127.0.0.1");
    client.end("still here");
    expect(await readAll(client)).toMatch(/^you are [0-9a-f-]{36}\nstill here$/);
  });

  test("a client is carried: the reply, what it said early, both directions, and exact totals", async () => {
    const port = await target((socket) => {
      socket.on("data", (bytes: Buffer) => socket.write(`heard ${bytes.toString()}`));
      socket.on("end", () => socket.end("bye"));
    });
    const { port: at, stories } = door((client, said) =>
      client.carry({ addresses: ["127.0.0.1"], port }, { ...usual, early: Buffer.from(said.slice(4)) }),
    );
    const client = await clientOf(at);
    client.end("wishearly");
    expect(await readAll(client)).toBe("welcome\nheard earlybye");
    const { outcome, totals } = await (await storyOf(stories)).closed;
    expect(outcome).toBe("ended");
    expect(totals).toEqual({ sentBytes: 5, receivedBytes: 14 });
  });

  test("a dialogue goes on as often as it is asked to", async () => {
    const { port } = door((client, said) => {
      if (said === "done") client.refuse("no\n", 1_000);
      else client.say(Buffer.from(`${said}?`), true);
    });
    const client = await clientOf(port);
    for (const word of ["one", "two", "three"]) {
      client.write(word);
      expect(String((await once(client, "data"))[0])).toBe(`${word}?`);
    }
    client.end("done");
    expect(await readAll(client)).toBe("no\n");
  });

  test("a refused client gets the last words although it goes on sending", async () => {
    const { port, stories } = door((client) => client.refuse("no\n", 1_000));
    const client = await clientOf(port);
    client.write(Buffer.alloc(500_000));
    expect(await readAll(client)).toBe("no\n");
    client.end();
    expect((await (await storyOf(stories)).closed).outcome).toBe("ended");
  });

  test("a silent client is closed in time and JavaScript never hears of it", async () => {
    const { port, stories } = door(() => {}, { headerMs: 50 });
    const client = await clientOf(port);
    client.resume();
    await once(client, "end");
    expect(stories).toEqual([]);
  });

  test("of too many silent clients the oldest goes, and who speaks is served", async () => {
    const { port } = door((client) => client.refuse("hello\n", 1_000), { maxSilent: 3 });
    const silent: Socket[] = [];
    for (let count = 0; count < 3; count++) silent.push(await clientOf(port));
    const oldest = silent[0]?.resume();
    const closed = oldest ? once(oldest, "end") : Promise.reject(new Error("There is none."));
    const last = await clientOf(port);
    await closed;
    last.end("hi");
    expect(await readAll(last)).toBe("hello\n");
    expect(silent.slice(1).every(({ destroyed }) => !destroyed)).toBe(true);
  });

  /** Answers greetings of SOCKS5; who is shown is noted and closed. */
  function greetingDoor() {
    const shown: { said: Buffer; answered: number }[] = [];
    const listener = engine.listen({
      host: "127.0.0.1",
      port: 0,
      reusePort: false,
      headerMs: 5_000,
      maxSilent: 1_000,
      greets: true,
      onClient: (client, first, answered) => {
        shown.push({ said: Buffer.from(first), answered });
        client.close();
      },
    });
    onTestFinished(() => listener.stop());
    return { listener, shown };
  }

  test("a SOCKS5 greeting is answered at once where that is wished, and shown with what comes next", async () => {
    const { listener, shown } = greetingDoor();
    const client = await clientOf(listener.port);
    client.write(Buffer.from([5, 2, 0, 2]));
    expect((await once(client, "data"))[0]).toEqual(Buffer.from([5, 2]));
    client.write(Buffer.from([1, 1, 97, 1, 98]));
    await expect.poll(() => shown.length).toBe(1);
    expect(shown).toEqual([{ said: Buffer.from([5, 2, 0, 2, 1, 1, 97, 1, 98]), answered: 1 }]);
  });

  test("a SOCKS5 login that is known is answered at once, and shown with the request", async () => {
    const login = Buffer.from([1, 1, 97, 1, 98]);
    const request = Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, 0, 80]);
    const { listener, shown } = greetingDoor();
    const greet = async () => {
      const client = await clientOf(listener.port);
      client.write(Buffer.from([5, 1, 2]));
      await once(client, "data");
      return client;
    };
    listener.knowLogin({ livesMs: 60_000, client: "127.0.0.1", login });
    const known = await greet();
    known.write(login);
    expect((await once(known, "data"))[0]).toEqual(Buffer.from([1, 0]));
    expect(shown).toEqual([]);
    known.write(request);
    await expect.poll(() => shown.length).toBe(1);
    listener.knowLogin(null);
    const forgotten = await greet();
    forgotten.write(login);
    await expect.poll(() => shown.length).toBe(2);
    expect(shown).toEqual([
      { said: Buffer.concat([Buffer.from([5, 1, 2]), login, request]), answered: 2 },
      { said: Buffer.concat([Buffer.from([5, 1, 2]), login]), answered: 1 },
    ]);
  });

  test("a taken client is a socket with nothing lost", async () => {
    const { Socket: NodeSocket } = await import("node:net");
    const { port } = door((client, said) => {
      let heard = said;
      client.listen({
        onData: (bytes) => {
          heard += String(bytes);
        },
        onDialled: () => {},
        onFailed: () => {},
        onClosed: () => {},
        onTaken: (fd) => {
          const socket = new NodeSocket({ fd, allowHalfOpen: true, readable: true, writable: true });
          opened.push(socket);
          socket.on("data", (bytes) => {
            heard += String(bytes);
          });
          socket.on("end", () => socket.end(heard));
        },
      });
      client.take();
    });
    const client = await clientOf(port);
    client.write("first");
    client.end(" second");
    expect(await readAll(client)).toBe("first second");
  });

  const plans: Record<string, (port: number) => DialPlan> = {
    "nobody listens": () => ({ addresses: ["127.0.0.1"], port: 1 }),
    "no address": () => ({ addresses: [], port: 80 }),
    "a CONNECT proxy refuses": (port) => ({
      addresses: ["127.0.0.1"],
      port,
      proxy: {
        protocol: "connect",
        username: "u",
        password: "p",
        target: { host: "example.test", port: 443 },
      },
    }),
    "a SOCKS5 proxy refuses the login": (port) => ({
      addresses: ["127.0.0.1"],
      port,
      proxy: {
        protocol: "socks5",
        username: "u",
        password: "p",
        target: { host: "example.test", port: 443 },
      },
    }),
  };

  /** Refuses what it is asked, in the protocol of the first byte. */
  function refuser(socket: Socket): void {
    socket.once("data", (bytes: Buffer) => {
      if (bytes[0] !== 5) socket.end("HTTP/1.1 407 Pay First\r\nX-Reason: money\r\n\r\n");
      else {
        socket.write(Buffer.from([5, 2]));
        socket.once("data", () => socket.end(Buffer.from([1, 9])));
      }
    });
  }

  test.each(Object.entries(plans))("when %s, the error is the same as from TypeScript", async (_, planOf) => {
    const port = await target(refuser);
    const plan = planOf(port);
    const { port: at, stories } = door((client) => client.carry(plan, usual), {
      onFailed: ({ client }) => client.refuse("failed\n", 1_000),
    });
    const client = await clientOf(at);
    client.end("wish");
    expect(await readAll(client)).toBe("failed\n");
    const failure = (await storyOf(stories)).failures[0];
    const same = (await dialPlan(plan, { timeoutMs: 5_000 }).catch((error) => error)) as DialError;
    expect(failure).toBeDefined();
    expect([failure?.code, failure?.stage, failure?.refusal, failure?.detail, failure?.moved]).toEqual([
      same.code,
      same.stage,
      same.refusal,
      same.detail,
      same.moved,
    ]);
  });

  test("the first address that answers carries the flow, and a failed plan can be followed by another", async () => {
    const port = await target((socket) => socket.end("there"));
    const { port: at, stories } = door(
      (client) => client.carry({ addresses: ["127.0.0.2"], port: 1 }, usual),
      {
        onFailed: ({ client }) => client.carry({ addresses: ["::1", "127.0.0.1"], port }, usual),
      },
    );
    const client = await clientOf(at);
    client.end("wish");
    expect(await readAll(client)).toBe("welcome\nthere");
    expect((await storyOf(stories)).failures.map(({ code }) => code)).toEqual(["connection_refused"]);
  });

  test("bytes behind a proxy's answer are the target's", async () => {
    const port = await target((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\nbanner")),
    );
    const plan = planTo(port);
    const { port: at, stories } = door((client) => client.carry(plan, usual));
    const client = await clientOf(at);
    client.end("wish");
    expect(await readAll(client)).toBe("welcome\nbanner");
    expect((await (await storyOf(stories)).closed).totals.receivedBytes).toBe(6);
  });

  function planTo(port: number): DialPlan {
    const proxy = { protocol: "connect" as const, target: { host: "example.test", port: 443 } };
    return { addresses: ["127.0.0.1"], port, proxy };
  }

  test("a cut flow is reset on both sides, without waiting for either", async () => {
    const sockets: Socket[] = [];
    const port = await target((socket) => sockets.push(socket.resume()));
    const { port: at, stories } = door((client) => client.carry({ addresses: ["127.0.0.1"], port }, usual));
    const client = await clientOf(at);
    client.write("wish");
    await once(client, "data");
    await expect.poll(() => sockets.length, { interval: 2 }).toBe(1);
    const began = performance.now();
    const failed = once(client, "error");
    (await storyOf(stories)).client.cut();
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe("ECONNRESET");
    expect(performance.now() - began).toBeLessThan(10_000);
    expect((await (await storyOf(stories)).closed).outcome).toBe("cut");
  });

  test("an allowance lets exactly its bytes through, waits when it is dry, and goes on when more comes", async () => {
    const port = await target((socket) => socket.end(Buffer.alloc(3_000_000)));
    const dry = Promise.withResolvers<void>();
    const allowance = engine.createAllowance(500_000, { onLow: () => {}, onDry: () => dry.resolve() });
    allowance.add(1_234_567);
    const handle = handleOfAllowance(allowance) ?? 0;
    const plan = { addresses: ["127.0.0.1"], port };
    const { port: at, stories } = door((client) => client.carry(plan, { ...usual, allowance: handle }));
    const client = await clientOf(at);
    let got = -"welcome\n".length;
    client.on("data", (bytes: Buffer) => {
      got += bytes.length;
    });
    client.write("wish");
    await dry.promise;
    await expect.poll(() => got, { interval: 2 }).toBe(1_234_567);
    const story = await storyOf(stories);
    expect(story.client.totals().receivedBytes).toBe(1_234_567);
    allowance.add(1_000_000);
    await expect.poll(() => got, { interval: 2 }).toBe(2_234_567);
    allowance.close();
    const { outcome, totals } = await story.closed;
    expect(outcome).toBe("quota_exhausted");
    expect(totals.receivedBytes).toBe(2_234_567);
    expect(allowance.remaining).toBe(0);
  });

  test("who waits on this thread for more than there is comes first, and nothing spins meanwhile", async () => {
    const port = await target((socket) => socket.on("error", () => {}).write(Buffer.alloc(3_000_000)));
    const allowance = engine.createAllowance(0, { onLow: () => {}, onDry: () => {} });
    allowance.add(100_000);
    const handle = handleOfAllowance(allowance) ?? 0;
    const plan = { addresses: ["127.0.0.1"], port };
    const { port: at, stories } = door((client) => client.carry(plan, { ...usual, allowance: handle }));
    const client = await clientOf(at);
    let got = -"welcome\n".length;
    client.on("data", (bytes: Buffer) => {
      got += bytes.length;
    });
    client.write("wish");
    await expect.poll(() => got, { interval: 2 }).toBe(100_000);
    const taken = allowance.take(50_000);
    const told = vi.spyOn(SharedAllowance.prototype, "reportReturned");
    allowance.add(10_000);
    // The two threads answered each other without an end: what the engine cannot get yet, it asked for again.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(told.mock.calls.length).toBeLessThan(50);
    told.mockRestore();
    expect(allowance.remaining).toBe(10_000);
    allowance.add(100_000);
    expect(await taken).toBe(true);
    await expect.poll(() => got, { interval: 2 }).toBe(160_000);
    allowance.close();
    await (await storyOf(stories)).closed;
  });

  test.each(["used up", "cut for it"])("what was charged arrives before a flow is reset: %s", async (how) => {
    const port = await target((socket) => socket.on("error", () => {}).write(Buffer.alloc(3_000_000)));
    const dry = Promise.withResolvers<void>();
    const allowance = engine.createAllowance(0, { onLow: () => {}, onDry: () => dry.resolve() });
    allowance.add(600_000);
    const handle = handleOfAllowance(allowance) ?? 0;
    const plan = { addresses: ["127.0.0.1"], port };
    const { port: at, stories } = door((client) => client.carry(plan, { ...usual, allowance: handle }));
    const client = await clientOf(at);
    client.pause().write("wish");
    await dry.promise;
    const story = await storyOf(stories);
    if (how === "used up") allowance.close();
    else story.client.cut({ whenFlushed: true });
    let got = -"welcome\n".length;
    client.on("data", (bytes: Buffer) => {
      got += bytes.length;
    });
    const [error] = await once(client.resume(), "error");
    expect(error).toMatchObject({ code: "ECONNRESET" });
    expect(got).toBe(600_000);
    expect((await story.closed).totals.receivedBytes).toBe(600_000);
  });

  test("a client that does not read what was charged is cut all the same", async () => {
    const port = await target((socket) => socket.on("error", () => {}).write(Buffer.alloc(600_000)));
    const plan = { addresses: ["127.0.0.1"], port };
    const { port: at, stories } = door((client) => client.carry(plan, usual));
    const client = await clientOf(at);
    client.pause().write("wish");
    const story = await storyOf(stories);
    await expect.poll(() => story.client.totals().receivedBytes, { interval: 2 }).toBe(600_000);
    story.client.cut({ whenFlushed: true });
    expect((await story.closed).outcome).toBe("cut");
  });

  test("what comes and ends while an allowance is dry goes on once there is more", async () => {
    const dry = Promise.withResolvers<void>();
    const port = await target(async (socket) => {
      socket.write(Buffer.alloc(100_000));
      await dry.promise;
      for (let piece = 0; piece < 20; piece++) {
        await new Promise((resolve) => socket.write(Buffer.alloc(10_000), resolve));
      }
      socket.end();
    });
    const allowance = engine.createAllowance(0, { onLow: () => {}, onDry: () => dry.resolve() });
    allowance.add(50_000);
    const handle = handleOfAllowance(allowance) ?? 0;
    const plan = { addresses: ["127.0.0.1"], port };
    const { port: at, stories } = door((client) => client.carry(plan, { ...usual, allowance: handle }));
    const client = await clientOf(at);
    let got = -"welcome\n".length;
    client.on("data", (bytes: Buffer) => {
      got += bytes.length;
    });
    client.write("wish");
    await dry.promise;
    await expect.poll(() => got, { interval: 2 }).toBe(50_000);
    allowance.add(100_000);
    await expect.poll(() => got, { interval: 2 }).toBe(150_000);
    const ended = once(client, "end");
    allowance.add(1_000_000);
    await ended;
    expect(got).toBe(300_000);
    client.end("bye");
    const { totals } = await (await storyOf(stories)).closed;
    expect(totals).toEqual({ sentBytes: "bye".length, receivedBytes: 300_000 });
  });

  test("three hundred flows at once leave no descriptor behind", async () => {
    const before = readdirSync("/proc/self/fd").length;
    const port = await target((socket) => socket.on("end", () => socket.end()).resume());
    const { port: at, stories } = door((client) => client.carry({ addresses: ["127.0.0.1"], port }, usual));
    const clients: Socket[] = [];
    for (let count = 0; count < 300; count++) {
      const client = await clientOf(at);
      client.write("wish");
      clients.push(client.resume());
    }
    await expect.poll(() => stories.length, { interval: 5 }).toBe(300);
    for (const client of clients) client.end();
    const ends = await Promise.all(stories.map(({ closed }) => closed));
    expect(ends.every(({ outcome }) => outcome === "ended")).toBe(true);
    for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
    await expect
      .poll(() => readdirSync("/proc/self/fd").length, { timeout: 5_000 })
      .toBeLessThan(before + 12);
  });
}
