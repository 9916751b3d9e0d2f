import { describe, expect, it } from "vitest";
import { searchExits } from "./searchExits.ts";

const exit = (id: string, country: string, label: string, network: string) => ({
  id,
  exit: { country },
  label,
  network,
  demonstration: false,
  latencyMs: null,
});
const exits = [
  exit("br", "br", "São Paulo, Brazil", "residential"),
  exit("de", "de", "Berlin, Germany", "datacenter"),
];

describe("searching exits", () => {
  it.each([
    ["sao", ["br"]],
    ["BERLIN", ["de"]],
    ["de", ["br", "de"]],
    ["germany data", ["de"]],
    ["  ", ["br", "de"]],
    ["nowhere", []],
  ])("finds for %j: %j", (query, found) => {
    expect(searchExits(exits, query).map(({ id }) => id)).toEqual(found);
  });
});
