import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type DialPlan, dialPlan } from "./dial-plan.ts";

const opened: (Server | Socket)[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) "destroy" in one ? one.destroy() : one.close();
});

async function listening(
  host: string,
  port = 0,
  onSocket: (socket: Socket) => void = () => {},
): Promise<number> {
  const server = createServer((socket) => {
    opened.push(socket);
    onSocket(socket);
  });
  opened.push(server);
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

async function dialled(plan: DialPlan): Promise<Socket> {
  const socket = await dialPlan(plan, { timeoutMs: 30_000 });
  opened.push(socket);
  return socket;
}

describe("several addresses (RFC 8305)", () => {
  test("one that refuses costs no waiting", async () => {
    const port = await listening("127.0.0.2");
    const refusing = Array.from({ length: 40 }, (_, index) => `127.0.0.${3 + index}`);
    const began = performance.now();
    const socket = await dialled({ addresses: [...refusing, "127.0.0.2"], port });
    expect(socket.remoteAddress).toBe("127.0.0.2");
    // A quarter of a second for each of them would be ten seconds.
    expect(performance.now() - began).toBeLessThan(9_000);
  });

  test("one that says nothing is raced by the next after a quarter of a second", async () => {
    const port = await listening("127.0.0.2");
    const began = performance.now();
    // 240/4 is reserved: nothing there answers, and some systems refuse at once.
    const socket = await dialled({ addresses: ["240.0.0.1", "127.0.0.2"], port });
    expect(socket.remoteAddress).toBe("127.0.0.2");
    // A dial that waited for its end would take thirty seconds.
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  test("the families take turns, whatever the order", async () => {
    const port = await listening("::1");
    const socket = await dialled({ addresses: ["127.0.0.3", "127.0.0.4", "::1"], port });
    expect(socket.remoteAddress).toBe("::1");
  });

  test("all that fail end in the last one's error, at the stage of reaching", async () => {
    const plan = { addresses: ["127.0.0.3", "127.0.0.4"], port: 1 };
    await expect(dialPlan(plan, { timeoutMs: 30_000 })).rejects.toMatchObject({
      code: "connection_refused",
      stage: "reach",
    });
  });

  test("none is an error, and the address to leave from is used", async () => {
    await expect(dialPlan({ addresses: [], port: 1 }, { timeoutMs: 100 })).rejects.toMatchObject({
      code: "dns_error",
    });
    const port = await listening("127.0.0.2");
    const socket = await dialled({ addresses: ["127.0.0.2"], port, localAddress: "127.0.0.77" });
    expect(socket.localAddress).toBe("127.0.0.77");
  });
});

describe("a proxy that must prove itself", () => {
  const plan = (port: number): DialPlan => ({
    addresses: ["127.0.0.1"],
    port,
    proxy: {
      protocol: "connect",
      target: { host: "site.example", port: 443 },
      expects: { field: "x-proof", value: "yes" },
    },
  });
  const answering = (fields: string) =>
    listening("127.0.0.1", 0, (socket) => {
      socket.once("data", () => socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n`));
    });

  test("is believed when it does, and given up when it does not", async () => {
    await dialled(plan(await answering("X-Proof: yes\r\n")));
    for (const fields of ["", "X-Proof: no\r\n", "X-Proof: yes\r\nX-Proof: yes\r\n"]) {
      await expect(dialPlan(plan(await answering(fields)), { timeoutMs: 5_000 })).rejects.toMatchObject({
        code: "upstream_denied",
        stage: "ask",
      });
    }
  });
});
