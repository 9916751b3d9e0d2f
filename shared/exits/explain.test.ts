import fc from "fast-check";
import { expect, test } from "vitest";
import { explainUsername } from "./explain.ts";

test("a user name is taken apart, each part with what it asks for", () => {
  expect(explainUsername("atl_k3x9m2qp-cc-us-city-new_york-sid-a1-ttl-30-mode-strict")).toEqual({
    readable: true,
    spelling: "atlantic",
    credential: "atl_k3x9m2qp",
    canonical: "atl_k3x9m2qp-cc-us-city-new_york-sid-a1-ttl-30-mode-strict",
    exit: { country: "us", city: "new_york" },
    session: { id: "a1", lifetimeMinutes: 30, mode: "strict" },
    rotation: "The address stays for 30 min from the first connection; losing it is an error.",
    parts: [
      { key: "cc", value: "us", meaning: "leaves in United States" },
      { key: "city", value: "new_york", meaning: "in the city new york" },
      { key: "sid", value: "a1", meaning: "keeps its address while the session lives" },
      { key: "ttl", value: "30", meaning: "the session lives for 30 min" },
      {
        key: "mode",
        value: "strict",
        meaning: "when its address is lost, connections fail until the lifetime is over",
      },
    ],
  });
});

test("the spelling of Oxylabs is shown in ours", () => {
  expect(explainUsername("customer-atl_a-st-us_california-sessid_oneip-x")).toMatchObject({
    spelling: "oxylabs",
    canonical: "atl_a-cc-us-st-california-sid-x-mode-oneip",
  });
  expect(explainUsername("customer-atl_a-cc-us")).toMatchObject({
    rotation: "Every connection may have another address.",
  });
});

test("several countries are named", () => {
  expect(explainUsername("atl_a-cc-de+jp")).toMatchObject({
    parts: [{ meaning: "leaves in Germany or Japan" }],
  });
});

test("an error is told as each kind of client would get it, and where it stands", () => {
  const text = "atl_a-cc-de-contry-us";
  const explained = explainUsername(text);
  expect(explained).toMatchObject({
    readable: false,
    error: {
      code: "bad_username",
      httpStatus: 400,
      socks5Reply: null,
      proxyStatus: expect.stringMatching(/^atlantic; error=http_request_error; details="bad_username: /),
      detail: expect.stringContaining('"contry" is not a key'),
    },
  });
  expect(!explained.readable && text.slice(explained.at?.start, explained.at?.end)).toBe("contry");
});

test("no text makes it throw", () => {
  const words = fc.array(fc.constantFrom("atl_a", "cc", "us+de", "city", "sid", "ttl", "5", "customer", ""));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        words.map((parts) => parts.join("-")),
      ),
      (text) => {
        const explained = explainUsername(text);
        if (explained.readable)
          expect(explainUsername(explained.canonical)).toMatchObject({ exit: explained.exit });
        else expect(explained.error.detail).toMatch(/\.$/);
      },
    ),
  );
});
