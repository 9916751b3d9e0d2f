import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { afterEach, expect, test } from "vitest";
import { LocalProxy } from "./local-proxy.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);
const endings: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(endings.splice(0).map((end) => end())));

/** A proxy that says hello to whoever speaks SOCKS5. */
function proxy(): LocalProxy {
  const made = new LocalProxy(() => ({
    connect: async () => {},
    plain: async () => {},
    socks: async (socket) => void socket.end("hello"),
  }));
  endings.push(() => made.close());
  return made;
}

async function answerOf(host: string, port: number): Promise<string> {
  const socket = connect(port, host);
  socket.end(Uint8Array.of(5));
  const [said] = await Promise.race([once(socket, "data"), once(socket, "error")]);
  return String(said);
}

async function occupy(host: string, port: number): Promise<Server> {
  const server = createServer().listen({ host, port, ipv6Only: true });
  await once(server, "listening");
  endings.push(() => new Promise((done) => server.close(done)));
  return server;
}

test.runIf(hasIpv6)(
  "a browser that looks for the proxy on ::1 first finds it there, and nobody else",
  async () => {
    const port = await proxy().listen(0);
    await expect(answerOf("127.0.0.1", port)).resolves.toBe("hello");
    await expect(answerOf("::1", port)).resolves.toBe("hello");
    await expect(occupy("::1", port)).rejects.toThrow("EADDRINUSE");
  },
);

test.runIf(hasIpv6)("a stranger on ::1 is named, and the other address is given back", async () => {
  const stranger = (await occupy("::1", 0)).address();
  const port = typeof stranger === "object" && stranger ? stranger.port : 0;
  await expect(proxy().listen(port)).rejects.toThrow(`Port ${port} on ::1 is in use`);
  await expect(occupy("127.0.0.1", port)).resolves.toBeDefined();
});
