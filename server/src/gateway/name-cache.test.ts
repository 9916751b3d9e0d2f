import { describe, expect, test, vi } from "vitest";
import { type NameAnswer, NameCache } from "./name-cache.ts";

const problem = (code: string) => Object.assign(new Error(code), { code });

function cacheOf(answers: (NameAnswer | Error)[]) {
  let now = 0;
  const query = vi.fn(async () => {
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer ?? problem("ESERVFAIL");
    return answer;
  });
  return {
    cache: new NameCache({ query, clock: () => now }),
    query,
    later: (ms: number) => {
      now += ms;
    },
  };
}

test("an answer is given at once, and as the same array, for as long as name servers say", async () => {
  const first: NameAnswer = { addresses: ["192.0.2.1", "192.0.2.2"], ttlSeconds: 60 };
  const again: NameAnswer = { addresses: ["192.0.2.2", "192.0.2.1"], ttlSeconds: 60 };
  const { cache, query, later } = cacheOf([first, again]);
  const addresses = await cache.addressesOf("a.test");
  later(59_999);
  expect(cache.addressesOf("a.test")).toBe(addresses);
  later(1);
  expect(await cache.addressesOf("a.test")).toBe(addresses);
  expect(query).toHaveBeenCalledTimes(2);
});

test.each([
  [0, 5_000],
  [86_400, 300_000],
])("a lifetime of %i s is taken as %i ms", async (ttlSeconds, ms) => {
  const { cache, query, later } = cacheOf([
    { addresses: ["192.0.2.1"], ttlSeconds },
    { addresses: ["192.0.2.9"], ttlSeconds },
  ]);
  await cache.addressesOf("a.test");
  later(ms - 1);
  await cache.addressesOf("a.test");
  expect(query).toHaveBeenCalledTimes(1);
  later(1);
  expect(await cache.addressesOf("a.test")).toEqual(["192.0.2.9"]);
});

test("those that ask at once ask once", async () => {
  const { cache, query } = cacheOf([{ addresses: ["192.0.2.1"], ttlSeconds: 60 }]);
  await Promise.all([1, 2, 3].map(() => cache.addressesOf("a.test")));
  expect(query).toHaveBeenCalledTimes(1);
});

describe("when there is no answer", () => {
  test("a name without an address is remembered for five seconds, and an empty answer is none", async () => {
    const { cache, query, later } = cacheOf([
      problem("ENOTFOUND"),
      { addresses: [], ttlSeconds: 60 },
      { addresses: ["192.0.2.1"], ttlSeconds: 60 },
    ]);
    await expect(cache.addressesOf("a.test")).rejects.toMatchObject({ code: "ENOTFOUND" });
    later(4_999);
    expect(() => cache.addressesOf("a.test")).toThrow("ENOTFOUND");
    later(1);
    await expect(cache.addressesOf("a.test")).rejects.toMatchObject({ code: "ENODATA" });
    later(5_000);
    expect(await cache.addressesOf("a.test")).toEqual(["192.0.2.1"]);
    expect(query).toHaveBeenCalledTimes(3);
  });

  test("the old one stands in while name servers fail, for an hour, but not once the name is gone", async () => {
    const { cache, later } = cacheOf([
      { addresses: ["192.0.2.1"], ttlSeconds: 60 },
      problem("ESERVFAIL"),
      problem("ETIMEOUT"),
      problem("ENOTFOUND"),
    ]);
    const addresses = await cache.addressesOf("a.test");
    later(60_000);
    expect(await cache.addressesOf("a.test")).toBe(addresses);
    later(999);
    expect(cache.addressesOf("a.test")).toBe(addresses);
    later(1);
    expect(await cache.addressesOf("a.test")).toBe(addresses);
    later(1_000);
    await expect(cache.addressesOf("a.test")).rejects.toMatchObject({ code: "ENOTFOUND" });
  });

  test("after an hour of failures it stands in no longer", async () => {
    const { cache, later } = cacheOf([{ addresses: ["192.0.2.1"], ttlSeconds: 60 }]);
    await cache.addressesOf("a.test");
    later(60_000 + 3_600_000);
    await expect(cache.addressesOf("a.test")).rejects.toMatchObject({ code: "ESERVFAIL" });
  });
});
