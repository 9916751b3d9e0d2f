import { exitSessionSchema } from "@atlantic/shared/exits/selector.ts";
import { routeId } from "@atlantic/shared/routing/route.ts";
import { expect, test } from "vitest";
import { SessionBook } from "./session-book.ts";

const US = routeId({ kind: "exit", exit: { country: "us" } });
const DE = routeId({ kind: "exit", exit: { country: "de" } });
const MINUTE = 60_000;

function bookAt(start: number) {
  const clock = { now: start };
  let changes = 0;
  const book = new SessionBook({ changed: () => (changes += 1) }, [], () => clock.now);
  return { book, clock, changes: () => changes };
}

test("a route keeps its session for its lifetime and gets another one after it", () => {
  const { book, clock } = bookAt(1_000);
  const first = book.current(US);
  expect(exitSessionSchema.parse(first)).toEqual(first);
  clock.now += 10 * MINUTE - 1;
  expect(book.current(US)).toEqual(first);
  clock.now += 1;
  expect(book.view(US)).toBeUndefined();
  expect(book.current(US).id).not.toBe(first.id);
});

test("routes do not share sessions, and rotating one leaves the other", () => {
  const { book } = bookAt(0);
  const [us, de] = [book.current(US), book.current(DE)];
  expect(us.id).not.toBe(de.id);
  book.rotate(US);
  expect(book.current(US).id).not.toBe(us.id);
  expect(book.current(DE)).toEqual(de);
});

test("what a check found belongs to its own session", () => {
  const { book, clock } = bookAt(5);
  const { id } = book.current(US);
  book.rotate(US);
  book.checked(US, id, { address: "192.0.2.1" });
  expect(book.view(US)).toMatchObject({ address: null, addressCheckedAt: null });
  clock.now = 9;
  book.checked(US, book.current(US).id, { problem: "No." });
  expect(book.view(US)).toMatchObject({ address: null, addressCheckedAt: 9, problem: "No." });
  book.checked(US, book.current(US).id, { address: "192.0.2.2" });
  expect(book.view(US)).toMatchObject({ address: "192.0.2.2", problem: null });
});

test("kept sessions go on in the next book, without their addresses", () => {
  const { book, clock } = bookAt(0);
  const { id } = book.current(US);
  book.checked(US, id, { address: "192.0.2.1" });
  const next = new SessionBook({ changed: () => {} }, book.kept(), () => clock.now);
  expect(next.current(US).id).toBe(id);
  expect(next.view(US)?.address).toBeNull();
});
