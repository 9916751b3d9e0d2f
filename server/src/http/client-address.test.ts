import type { IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { clientAddress } from "./client-address.ts";

function requestFrom(peer: string | undefined, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  return { socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage;
}

describe("without a trusted proxy", () => {
  const addressOf = clientAddress([]);

  test("the address is the peer's, whatever it claims", () => {
    expect(addressOf(requestFrom("203.0.113.5", "10.0.0.1"))).toBe("203.0.113.5");
  });

  test("IPv4 in IPv6 clothes is the same address", () => {
    expect(addressOf(requestFrom("::ffff:203.0.113.5"))).toBe("203.0.113.5");
  });

  test("a peer that is gone has none", () => {
    expect(addressOf(requestFrom(undefined))).toBeNull();
  });
});

describe("behind trusted proxies", () => {
  const addressOf = clientAddress(["10.0.0.0/8", "fd00::/8"]);

  test.each([
    ["the last hop that is not ours", "10.0.0.2", "198.51.100.7", "198.51.100.7"],
    ["hops of ours are passed over", "10.0.0.2", "198.51.100.7, 10.9.9.9", "198.51.100.7"],
    ["what the client put in front is not believed", "10.0.0.2", "1.2.3.4, 198.51.100.7", "198.51.100.7"],
    ["a peer that is no proxy of ours is the client", "198.51.100.9", "1.2.3.4", "198.51.100.9"],
    ["nonsense ends the chain at the proxy", "10.0.0.2", "1.2.3.4, nonsense", "10.0.0.2"],
    ["no chain at all is the proxy itself", "10.0.0.2", undefined, "10.0.0.2"],
    ["IPv6 proxies count", "fd00::1", "2001:db8::7", "2001:db8::7"],
  ])("%s", (_, peer, forwarded, client) => {
    expect(addressOf(requestFrom(peer, forwarded))).toBe(client);
  });

  test("a setting that is no address is refused", () => {
    expect(() => clientAddress(["proxy.local"])).toThrow(RangeError);
  });
});
