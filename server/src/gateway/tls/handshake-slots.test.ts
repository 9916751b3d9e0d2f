import { expect, test } from "vitest";
import { HandshakeSlots } from "./handshake-slots.ts";

test("an address has so many handshakes under way and no more, others have theirs", () => {
  const slots = new HandshakeSlots();
  const taken = Array.from({ length: 65 }, () => slots.take("192.0.2.1"));
  expect(taken.filter(Boolean)).toHaveLength(64);
  expect(slots.take("192.0.2.2")).toBe(true);
  slots.give("192.0.2.1");
  expect(slots.take("192.0.2.1")).toBe(true);
  expect(slots.take("192.0.2.1")).toBe(false);
});

test("all addresses together have so many and no more", () => {
  const slots = new HandshakeSlots();
  for (let index = 0; index < 1_024; index++)
    expect(slots.take(`2001:db8::${index.toString(16)}`)).toBe(true);
  expect(slots.take("192.0.2.1")).toBe(false);
  slots.give("2001:db8::1");
  expect(slots.take("192.0.2.1")).toBe(true);
});
