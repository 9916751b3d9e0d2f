import { once } from "node:events";
import { proxyErrorOf } from "@atlantic/shared/errors.ts";
import { expect, test } from "vitest";
import { startGatewayFixture } from "../testing/gateway-fixture.ts";
import { type RawClient, rawClient } from "../testing/raw-client.ts";
import type { ChosenExit, Upstream } from "../upstreams/upstream.ts";

/** A moment in which the engine's thread goes on and this one does not. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
}

test("a flow ends whose client goes at the moment in which its socket is asked for", async () => {
  let client: RawClient | undefined;
  const exit: ChosenExit = {
    upstream: "tls",
    country: "de",
    city: null,
    label: null,
    address: null,
    key: "tls",
    // Not for the engine: TLS to the proxy is spoken here, and so the client's socket is needed.
    plan: ({ host, port }) => {
      client?.socket.resetAndDestroy();
      standStill();
      const tls = { serverName: "proxy.test" };
      return {
        addresses: ["127.0.0.1"],
        port: 1,
        proxy: { protocol: "connect", tls, target: { host, port } },
      };
    },
    explain: proxyErrorOf,
  };
  const upstream: Upstream = { name: "tls", places: [], choose: () => exit };
  const fixture = await startGatewayFixture({ upstreams: [upstream] });
  const { username, password } = fixture.account;
  const login = Buffer.from(`${username}:${password}`).toString("base64");
  client = await rawClient(fixture.gateway.port);
  client.send(
    `CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nProxy-Authorization: Basic ${login}\r\n\r\n`,
  );
  await once(client.socket, "close");
  await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
  await fixture.usage.flush();
  const rows = await fixture.database.db.selectFrom("proxy_connections").select("outcome").execute();
  expect(rows).toHaveLength(1);
  expect(rows[0]?.outcome).not.toBeNull();
  await fixture.close();
});
