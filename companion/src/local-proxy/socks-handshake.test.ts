import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LOGIN, NO_LOGIN, readGreeting, readLogin, readRequest } from "./socks-handshake.ts";

describe.each([
  ["greeting", (bytes: Buffer) => readGreeting(bytes, LOGIN), Buffer.from([5, 2, 0, 2])],
  ["login", readLogin, Buffer.from([1, 2, 0x61, 0x62, 1, 0x63])],
  ["request by name", readRequest, Buffer.from([5, 1, 0, 3, 3, 0x61, 0x2e, 0x62, 1, 187])],
  ["request by IPv4", readRequest, Buffer.from([5, 1, 0, 1, 192, 0, 2, 1, 0, 80])],
  ["request by IPv6", readRequest, Buffer.from([5, 1, 0, 4, 0x20, 1, ...Array(13).fill(0), 1, 0, 80])],
])("the %s", (_, read, whole) => {
  test("asks for more until it is whole, and leaves what follows", () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(read(whole.subarray(0, length))).toEqual({ kind: "more" });
    }
    expect(read(Buffer.concat([whole, Buffer.from("rest")]))).toMatchObject({
      kind: "read",
      used: whole.length,
    });
  });

  test("no bytes make it throw or use more than it was given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const part = read(Buffer.from(bytes));
        if (part.kind === "read") expect(part.used).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

test("what is asked is read as it was meant", () => {
  expect(readRequest(Buffer.from([5, 1, 0, 3, 3, 0x41, 0x2e, 0x62, 1, 187]))).toMatchObject({
    value: { host: "a.b", port: 443 },
  });
  expect(readLogin(Buffer.from([1, 2, 0x61, 0x62, 1, 0x63]))).toMatchObject({
    value: { username: "ab", password: "c" },
  });
});

test("without a password, for another command, or to an unknown kind of address it is refused with its code", () => {
  expect(readGreeting(Buffer.from([5, 1, 2]), NO_LOGIN)).toMatchObject({ kind: "refused" });
  expect(readGreeting(Buffer.from([5, 1, 0]), LOGIN)).toEqual({
    kind: "refused",
    answer: Buffer.from([5, 0xff]),
  });
  for (const [bytes, code] of [
    [[5, 2, 0, 1], 7],
    [[5, 3, 0, 1], 7],
    [[5, 1, 0, 9], 8],
    [[4, 1, 0, 1], 1],
    [[5, 1, 0, 1, 1, 1, 1, 1, 0, 0], 1],
  ] as const) {
    const part = readRequest(Buffer.from(bytes));
    expect(part.kind === "refused" && part.answer[1]).toBe(code);
  }
});
