import { expect, test } from "vitest";
import { PAIRING_LIFETIME_MS, PairingRequests } from "./pairing-requests.ts";
import { PairingStore } from "./pairing-store.ts";
import { TICKET_LIFETIME_MS, Tickets } from "./tickets.ts";
import { words } from "./words.ts";

test("six words out of many: nobody guesses them", () => {
  expect(new Set(words).size).toBeGreaterThanOrEqual(1_024);
  const requests = new PairingRequests();
  const [one, other] = [requests.begin("a", "t", () => {}), requests.begin("b", "t", () => {})];
  expect(one.words).toHaveLength(6);
  expect(one.words).not.toEqual(other.words);
  for (const word of one.words) expect(words).toContain(word);
});

test("a request that nobody answers ends refused after five minutes", () => {
  const clock = { now: 0 };
  const requests = new PairingRequests(() => clock.now);
  const answers: boolean[] = [];
  const { id } = requests.begin("a", "t", (accepted) => answers.push(accepted));
  clock.now = PAIRING_LIFETIME_MS - 1;
  expect(requests.pending()).toHaveLength(1);
  clock.now = PAIRING_LIFETIME_MS;
  expect(requests.take(id)).toBeUndefined();
  expect(answers).toEqual([false]);
});

test("a flood of requests drops the oldest", () => {
  const requests = new PairingRequests();
  const refused: string[] = [];
  for (let index = 0; index < 25; index += 1) requests.begin(`${index}`, "t", () => refused.push(`${index}`));
  expect(requests.pending()).toHaveLength(20);
  expect(refused).toEqual(["0", "1", "2", "3", "4"]);
});

test("a ticket is good once and for two minutes", () => {
  const clock = { now: 0 };
  const tickets = new Tickets(() => clock.now);
  const { ticket } = tickets.issue();
  expect(tickets.redeem("x")).toBe(false);
  expect(tickets.isGood(ticket)).toBe(true);
  expect(tickets.redeem(ticket)).toBe(true);
  expect(tickets.redeem(ticket)).toBe(false);
  const late = tickets.issue().ticket;
  clock.now = TICKET_LIFETIME_MS;
  expect(tickets.redeem(late)).toBe(false);
});

test("the store knows tokens by their digests only", () => {
  let saved = 0;
  const store = new PairingStore([], () => (saved += 1));
  const paired = store.add("ab".repeat(32), "Chromium", 1);
  expect(store.add("ab".repeat(32), "Chromium", 2)).toBe(paired);
  expect(saved).toBe(1);
  expect(JSON.stringify(store.all())).not.toContain("ab".repeat(32));
  expect(store.find("ab".repeat(32))).toBe(paired);
  expect(store.find("cd".repeat(32))).toBeUndefined();
});
