import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { portOf } from "../port-of.ts";
import { checkExit } from "./check-exit.ts";

let answer = "";
const sizes: number[] = [];
const server = createServer((request, response) => {
  sizes.push(request.headers["x-padding"]?.length ?? 0);
  response.end(answer);
});

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => server.close());

const dial = async (): Promise<Socket> => {
  const socket = connect(portOf(server), "127.0.0.1");
  await once(socket, "connect");
  return socket;
};

function look(seen: object, exit = {}, padded = false) {
  answer = JSON.stringify(seen);
  return checkExit({ url: "http://check.example/", dial, exit, padded });
}

test("the exit must leave where it was asked to: country and AS number", async () => {
  const german = { address: "203.0.113.7", country: "DE", asn: 64_500 };
  expect(await look(german, { country: "de", asn: 64_500 })).toMatchObject({
    finding: { good: true },
    address: "203.0.113.7",
  });
  expect((await look(german, { country: "us" })).finding).toMatchObject({ good: false });
  expect((await look(german, { countries: ["fr", "de"] })).finding.good).toBe(true);
  expect((await look(german, { asn: 64_501 })).finding.good).toBe(false);
});

test("a page that does not say the country is no proof of it, and the finding says so", async () => {
  const { finding } = await look({ address: "203.0.113.7" }, { country: "de" });
  expect(finding).toMatchObject({ good: true });
  expect(finding.detail).toContain("does not say in which country");
});

test("an answer without an address is a breach", async () => {
  expect((await look({ hello: "there" })).finding.good).toBe(false);
});

test("with jitter requests are of different lengths, and never longer by more than 510 bytes", async () => {
  sizes.length = 0;
  for (let count = 0; count < 20; count++) await look({ address: "203.0.113.7" }, {}, true);
  expect(new Set(sizes).size).toBeGreaterThan(5);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(510);
});
