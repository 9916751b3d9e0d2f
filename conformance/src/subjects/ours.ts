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

export interface OursOptions {
  /** For a whole header; the default is the product's. */
  readonly headerMs?: number;
  /** Whether the native carrier may be used; without it the whole gateway runs in TypeScript. */
  readonly native?: boolean;
}

/** Our gateway in this process, over an embedded database. */
export async function startOurs({ headerMs = 10_000, native = true }: OursOptions = {}): Promise<Subject> {
  const fixture = await startGatewayFixture({
    targets: { allow, lookup: resolve },
    limits: { headerMs },
    native,
  });
  const { username, password } = fixture.account;
  return {
    name: native ? "atlantic" : "atlantic without its addon",
    host: "127.0.0.1",
    port: fixture.gateway.port,
    credential: { username, password },
    abilities: new Set(["http", "connect", "socks5", "udp", "ipv6", "credentials"]),
    about: `this repository, exits of this machine, its default limits${native ? "" : ", everything in TypeScript"}`,
    headerMs,
    close: () => fixture.close(),
  };
}
