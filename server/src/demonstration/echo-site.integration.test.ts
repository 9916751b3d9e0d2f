import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayFixture, startGatewayFixture } from "../gateway/testing/gateway-fixture.ts";
import { type EchoSite, startEchoSite } from "./echo-site.ts";

const run = promisify(execFile);
let site: EchoSite;
let fixture: GatewayFixture;

beforeAll(async () => {
  site = await startEchoSite();
  fixture = await startGatewayFixture({ targets: { hosts: { [`${site.name}:80`]: site.address } } });
});
afterAll(async () => {
  await fixture.close();
  await site.close();
});

const ask = async (parts: string, path: string) =>
  (await run("curl", ["-sS", "--fail", "-x", fixture.proxyUrl(parts), `http://${site.name}${path}`])).stdout;

test("tells a visitor its exit, and a session keeps its address while another has another", async () => {
  const seen = [];
  for (const session of ["a", "a", "b"])
    seen.push(JSON.parse(await ask(`-cc-de-sid-${session}`, "/address")));
  expect(seen[0]).toEqual({
    address: expect.stringMatching(/^127\.1\.2\.\d+$/),
    country: "de",
    city: "berlin",
    demonstration: true,
  });
  expect(seen[1]).toEqual(seen[0]);
  // An exit has 200 addresses: two sessions may share one, five hardly do.
  expect(new Set(seen.map(({ address }) => address)).size).toBeGreaterThan(1);
});

test("shows the address on its page, and that this is a demonstration", async () => {
  const page = await ask("-cc-jp-sid-a", "/");
  expect(page).toMatch(/data-testid="address">127\.1\.3\.\d+</);
  expect(page).toContain("Tokyo, Japan");
  expect(page).toContain("Demonstration.");
});

test("knows a visitor who came directly", async () => {
  const direct = await fetch(`http://${site.address}/address`);
  expect(direct.headers.get("access-control-allow-origin")).toBe("*");
  expect(await direct.json()).toMatchObject({ address: "127.0.0.1", country: null });
});
