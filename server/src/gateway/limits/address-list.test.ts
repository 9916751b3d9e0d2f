import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AddressList, readAddressEntry } from "./address-list.ts";

describe("an address list", () => {
  test("has what it lists, in every spelling of a client's address", () => {
    const list = new AddressList(["8.8.8.0/24", "2a00:1450::/32", "9.9.9.9"]);
    for (const client of ["8.8.8.1", "::ffff:8.8.8.1", "9.9.9.9", "2a00:1450:0:1::5"]) {
      expect(list.has(client), client).toBe(true);
    }
    for (const client of ["8.8.9.1", "9.9.9.8", "2a01::1", "", "nonsense", "127.0.0.1", "::1"]) {
      expect(list.has(client), client).toBe(false);
    }
  });

  test.each(["0.0.0.0/0", "::/0", "127.0.0.1", "::1", "10.0.0.0/8", "x"])(
    "that has %s in it, however it came there, is not believed at all",
    (entry) => {
      expect(() => new AddressList(["8.8.8.8", entry])).toThrow();
    },
  );

  test("never lists more than a 65,536th of the IPv4 internet, nor loopback", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (address, bits, client) => {
        const entry = readAddressEntry(`${address}/${bits}`, { alone: true });
        if (typeof entry !== "string") return true;
        const list = new AddressList([entry]);
        const [a, b] = address.split(".");
        return (
          bits >= 16 &&
          !list.has("127.0.0.1") &&
          (!list.has(client) || client.startsWith(`${a}.${b}.`)) &&
          readAddressEntry(entry, { alone: true }) === entry
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
