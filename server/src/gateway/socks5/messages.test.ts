import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Reader, readGreeting, readLogin, readSocksRequest } from "./messages.ts";

const text = fc.string({
  unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789.-_"),
  minLength: 1,
  maxLength: 63,
});

const greeting = fc.uint8Array({ minLength: 1, maxLength: 255 }).map((methods) => ({
  bytes: Buffer.from([5, methods.length, ...methods]),
  message: { methods: [...methods] },
}));

const login = fc.tuple(text, text).map(([username, password]) => ({
  bytes: Buffer.concat([
    Buffer.from([1, username.length]),
    Buffer.from(username),
    Buffer.from([password.length]),
    Buffer.from(password),
  ]),
  message: { username, password },
}));

const port = fc.integer({ min: 1, max: 65_535 });
const portBytes = (value: number) => Buffer.from([value >> 8, value & 0xff]);

const connectRequest = fc.oneof(
  fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), port).map(([address, value]) => ({
    bytes: Buffer.concat([Buffer.from([5, 1, 0, 1, ...address]), portBytes(value)]),
    message: { command: "connect", host: address.join("."), port: value },
  })),
  fc.tuple(text, port).map(([host, value]) => ({
    bytes: Buffer.concat([Buffer.from([5, 1, 0, 3, host.length]), Buffer.from(host), portBytes(value)]),
    message: { command: "connect", host, port: value },
  })),
  port.map((value) => ({
    bytes: Buffer.concat([
      Buffer.from([5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]),
      portBytes(value),
    ]),
    message: { command: "connect", host: "2001:db8:0:0:0:0:0:5", port: value },
  })),
);

describe.each<[string, Reader<unknown>, fc.Arbitrary<{ bytes: Buffer; message: unknown }>]>([
  ["greeting", readGreeting, greeting],
  ["login", readLogin, login],
  ["request", readSocksRequest, connectRequest],
])("the %s", (_, read, messages) => {
  test("is read whatever comes behind it, and not before its last byte", () => {
    fc.assert(
      fc.property(messages, fc.uint8Array({ maxLength: 40 }), ({ bytes, message }, rest) => {
        expect(read(Buffer.concat([bytes, rest]))).toEqual({ message, used: bytes.length });
        for (let length = 0; length < bytes.length; length++) {
          expect(read(bytes.subarray(0, length))).toBeUndefined();
        }
      }),
    );
  });

  test("of any bytes never takes more than there are, and fails only in the table's words", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        try {
          const found = read(Buffer.from(bytes));
          if (found) expect(found.used).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect((error as Error).name).toBe("ProxyError");
        }
      }),
    );
  });
});
