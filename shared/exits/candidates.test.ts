import fc from "fast-check";
import { expect, test } from "vitest";
import { candidateExits } from "./candidates.ts";

test("one country is one choice", () => {
  expect(candidateExits({ country: "de", asn: 1 }, 7)).toEqual([{ country: "de", asn: 1 }]);
  expect(candidateExits({}, 7)).toEqual([{}]);
});

test("of several countries each is a choice, in an order that the seed fixes", () => {
  const countries = ["us", "de", "jp"];
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const choices = candidateExits({ countries, pool: "blue" }, seed);
      expect(choices.map(({ country }) => country).sort()).toEqual(["de", "jp", "us"]);
      expect(choices.every(({ countries: several, pool }) => several === undefined && pool === "blue")).toBe(
        true,
      );
      expect(candidateExits({ countries, pool: "blue" }, seed)).toEqual(choices);
    }),
  );
  const firsts = [0, 1, 2].map((seed) => candidateExits({ countries }, seed)[0]?.country);
  expect(firsts).toEqual(countries);
});
