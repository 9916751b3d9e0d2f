import { proxyErrorOf } from "@atlantic/shared/errors.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { rawClient } from "../testing/raw-client.ts";
import type { ChosenExit, Upstream } from "../upstreams/upstream.ts";

/** An exit that never says how it is reached, as when a name is asked for that no server answers. */
const exit: ChosenExit = {
  upstream: "slow",
  country: "de",
  city: null,
  label: null,
  address: null,
  key: "slow",
  plan: () => new Promise(() => {}),
  explain: proxyErrorOf,
};
const upstream: Upstream = { name: "slow", places: [], choose: () => exit };

let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await startGatewayFixture({ upstreams: [upstream], limits: { connectMs: 50, headerMs: 50 } });
});

afterAll(() => fixture.close());

test("a client of CONNECT waits for a look-up only so long, and its flow ends", async () => {
  const { username, password } = fixture.account;
  const login = Buffer.from(`${username}:${password}`).toString("base64");
  const client = await rawClient(fixture.gateway.port);
  client.send(
    `CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nProxy-Authorization: Basic ${login}\r\n\r\n`,
  );
  expect(await client.ended()).toMatch(/^HTTP\/1\.1 504 /);
  client.socket.end();
  await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
});

test("a client of SOCKS5 waits for a look-up only so long, and its flow ends", async () => {
  const { username, password } = fixture.account;
  const client = await rawClient(fixture.gateway.port);
  const login = [1, username.length, ...Buffer.from(username), password.length, ...Buffer.from(password)];
  client.send(Buffer.from([5, 1, 2, ...login, 5, 1, 0, 1, 127, 0, 0, 1, 0, 9]));
  expect(Buffer.from(await client.ended(), "latin1").subarray(4, 5)).toEqual(Buffer.from([5]));
  expect(client.received()[5]).not.toBe(0);
  client.socket.end();
  await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
});
