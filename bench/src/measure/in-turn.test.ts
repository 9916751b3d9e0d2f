import { expect, test } from "vitest";
import { inTurn } from "./in-turn.ts";

test("each is measured once a round, in turn, and the warm-up does not count", async () => {
  const order: string[] = [];
  const contestant = (name: string) => ({ name, measure: async () => order.push(name) });
  const values = await inTurn(3, [contestant("ours"), contestant("peer")], { warmUpRounds: 1 });
  expect(order).toEqual(["ours", "peer", "peer", "ours", "ours", "peer", "peer", "ours"]);
  expect([...values].map(([name, rounds]) => [name, rounds.length])).toEqual([
    ["ours", 3],
    ["peer", 3],
  ]);
});
