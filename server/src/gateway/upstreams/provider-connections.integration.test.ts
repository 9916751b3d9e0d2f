import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { DialError, type DialPlan } from "@atlantic/native";
import { afterEach, describe, expect, test } from "vitest";
import { ProviderConnections } from "./provider-connections.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A proxy that notes how often each of its connections was asked. */
async function startProxy(answer = "HTTP/1.1 200 OK\r\n\r\n") {
  const asked = new Map<Socket, number>();
  const server: Server = createServer((socket) => {
    asked.set(socket, 0);
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const times = bytes.toString("latin1").split("CONNECT ").length - 1;
      asked.set(socket, (asked.get(socket) ?? 0) + times);
      if (times > 0) socket.write(answer);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  closing.push(() => {
    server.close();
    for (const socket of asked.keys()) socket.destroy();
  });
  const plan: DialPlan = {
    addresses: ["127.0.0.1"],
    port,
    proxy: { protocol: "connect", target: { host: "site.example", port: 443 } },
  };
  return { asked, plan };
}

function newConnections() {
  let now = 0;
  const connections = new ProviderConnections(() => now);
  closing.push(() => connections.close());
  return {
    connections,
    later: (ms: number) => {
      now += ms;
    },
  };
}

async function dialled(connections: ProviderConnections, plan: DialPlan): Promise<Socket> {
  const socket = await connections.dial(plan, { timeoutMs: 5_000 });
  closing.push(() => socket.destroy());
  return socket;
}

describe("connections to a provider", () => {
  test("are opened ahead of a steady demand, and each carries one tunnel and no second", async () => {
    const { asked, plan } = await startProxy();
    const { connections } = newConnections();
    for (let tunnel = 0; tunnel < 40; tunnel++) (await dialled(connections, plan)).destroy();
    await expect.poll(() => connections.waiting).toBeGreaterThan(0);
    const before = asked.size;
    await Promise.all([1, 2].map(() => dialled(connections, plan)));
    const tunnels = [...asked.values()].reduce((sum, times) => sum + times, 0);
    expect(tunnels).toBe(42);
    expect(Math.max(...asked.values())).toBe(1);
    expect(before).toBeGreaterThan(40);
  });

  test("are not opened ahead for a single tunnel", async () => {
    const { asked, plan } = await startProxy();
    const { connections } = newConnections();
    await dialled(connections, plan);
    expect(connections.waiting).toBe(0);
    expect(asked.size).toBe(1);
  });

  test("are closed before the provider would, and forgotten when the demand is gone", async () => {
    const { asked, plan } = await startProxy();
    const { connections, later } = newConnections();
    for (let tunnel = 0; tunnel < 10; tunnel++) (await dialled(connections, plan)).destroy();
    await expect.poll(() => connections.waiting).toBeGreaterThan(0);
    later(7_999);
    connections.sweep();
    expect(connections.waiting).toBeGreaterThan(0);
    later(1);
    connections.sweep();
    expect(connections.waiting).toBe(0);
    const unused = [...asked].filter(([, times]) => times === 0).map(([socket]) => socket);
    await expect.poll(() => unused.every((socket) => socket.destroyed || socket.readableEnded)).toBe(true);
  });

  test("that the provider has closed meanwhile are never given to a flow", async () => {
    const { asked, plan } = await startProxy();
    const { connections } = newConnections();
    for (let tunnel = 0; tunnel < 10; tunnel++) (await dialled(connections, plan)).destroy();
    await expect.poll(() => connections.waiting).toBeGreaterThan(0);
    for (const [socket, times] of asked) if (times === 0) socket.destroy();
    const socket = await dialled(connections, plan);
    expect(socket.destroyed).toBe(false);
  });

  test("refusals are told as they are, and cost no second try", async () => {
    const { asked, plan } = await startProxy("HTTP/1.1 407 No\r\n\r\n");
    const { connections } = newConnections();
    for (let tunnel = 0; tunnel < 10; tunnel++) {
      const error = await connections.dial(plan, { timeoutMs: 5_000 }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DialError);
      expect(error).toMatchObject({ code: "upstream_denied", stage: "ask", moved: { receivedBytes: 19 } });
    }
    expect([...asked.values()].filter((times) => times > 0)).toEqual(Array(10).fill(1));
  });
});
