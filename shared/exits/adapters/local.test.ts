import { describe, expect, test } from "vitest";
import type { ExitSelector } from "../selector.ts";
import { localExitAddress, localExitOf, localExits, localExitsFor } from "./local.ts";

describe("local exits", () => {
  test.each<[ExitSelector, string[]]>([
    [{}, ["us", "de", "jp"]],
    [{ country: "de" }, ["de"]],
    [{ country: "us", city: "new_york" }, ["us"]],
    [{ country: "us", city: "chicago" }, []],
    [{ country: "fr" }, []],
    [{ countries: ["fr", "jp", "us"] }, ["us", "jp"]],
    [{ countries: ["fr", "br"] }, []],
    [{ continent: "eu" }, ["de"]],
    [{ continent: "af" }, []],
    [{ asn: 1 }, []],
  ])("%j", (exit, countries) => {
    expect(localExitsFor(exit).map((one) => one.country)).toEqual(countries);
  });

  test("a session keeps its address, and its address tells the exit", () => {
    for (const exit of localExits) {
      for (let index = 0; index < 500; index++) {
        const address = localExitAddress(exit, `session ${index}`);
        expect(address).toBe(localExitAddress(exit, `session ${index}`));
        expect(localExitOf(address)).toBe(exit);
        expect(Number(address.split(".")[3])).toBeGreaterThanOrEqual(1);
        expect(Number(address.split(".")[3])).toBeLessThanOrEqual(200);
      }
    }
  });
});
