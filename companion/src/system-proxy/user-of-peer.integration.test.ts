import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { portOf } from "../port-of.ts";
import { userOfPeer } from "./user-of-peer.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function pairOn(listenAt: string, connectTo: string): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer().listen(0, listenAt);
  servers.push(server);
  await once(server, "listening");
  const client = connect(portOf(server), connectTo);
  const [[accepted]] = await Promise.all([once(server, "connection"), once(client, "connect")]);
  return { client, accepted };
}

test.skipIf(process.platform !== "linux").each([
  ["IPv4", "127.0.0.1", "127.0.0.1"],
  ["IPv6", "::1", "::1"],
  ["a socket of both families", "127.0.0.1", "::ffff:127.0.0.1"],
  ["another loopback address", "127.3.2.1", "127.3.2.1"],
])("the user of the other end is known over %s", async (_, listenAt, connectTo) => {
  const { client, accepted } = await pairOn(listenAt, connectTo);
  expect(await userOfPeer(accepted)).toBe(process.getuid?.());
  client.destroy();
  accepted.destroy();
});

test("of a connection that does not exist nobody is known", async () => {
  const ends = { remoteAddress: "127.0.0.1", remotePort: 1, localAddress: "127.0.0.1", localPort: 1 };
  expect(await userOfPeer(ends)).toBeUndefined();
});
