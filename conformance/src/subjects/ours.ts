import { lookup } from "node:dns/promises";
import { startGatewayFixture } from "@atlantic/server/src/gateway/testing/gateway-fixture.ts";
import type { Subject } from "../subject.ts";
import { testNames } from "./names.ts";

/** Only the targets of the cases are let through besides public addresses: the rest of loopback is as forbidden as ever. */
const allow = ["127.0.0.1", "::1"];

async function resolve(host: string): Promise<readonly string[]> {
  const known = testNames[host];
  if (known) return known;
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/**
 * Our gateway in this process, over an embedded database.
 * @param headerMs for a whole header; the default is the product's
 */
export async function startOurs(headerMs = 10_000): Promise<Subject> {
  const fixture = await startGatewayFixture({
    targets: { allow, lookup: resolve },
    limits: { headerMs },
  });
  const { username, password } = fixture.account;
  return {
    name: "atlantic",
    host: "127.0.0.1",
    port: fixture.gateway.port,
    credential: { username, password },
    abilities: new Set(["http", "connect", "socks5", "ipv6", "credentials"]),
    about: "this repository, exits of this machine, its default limits",
    headerMs,
    close: () => fixture.close(),
  };
}
