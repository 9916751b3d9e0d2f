import fc from "fast-check";
import { expect, test } from "vitest";
import { routeIdSchema } from "../routing/route.ts";
import {
  type Attribution,
  type Challenge,
  formatAttribution,
  formatRealm,
  parseAttribution,
  parseRealm,
} from "./attribution.ts";

const routeIds = fc.stringMatching(/^[a-z0-9]{1,32}$/).map((text) => routeIdSchema.parse(text));
const sites = fc.oneof(
  fc.stringMatching(/^[a-z0-9.-]{0,60}$/),
  fc.constantFrom("", "example.co.uk", "[2001:db8::1]", "10.0.0.1"),
);
const tabIds = fc.integer({ min: 0, max: 2 ** 31 });
const attributions: fc.Arbitrary<Attribution> = fc.oneof(
  fc.record({
    kind: fc.constant("tab" as const),
    tabId: tabIds,
    site: sites,
    routeId: routeIds,
  }),
  fc.record({
    kind: fc.constant("tab" as const),
    tabId: tabIds,
    site: sites,
    routeId: routeIds,
    own: fc.constant(true as const),
  }),
  fc.record({ kind: fc.constant("worker" as const), site: sites, routeId: routeIds }),
  fc.record({ kind: fc.constant("steady" as const), routeId: routeIds }),
);

test("every attribution is read back as it was written", () => {
  fc.assert(
    fc.property(attributions, (attribution) => {
      expect(parseAttribution(formatAttribution(attribution))).toEqual(attribution);
    }),
  );
});

test("an attribution fits a Basic user name: no colon and no control character, whatever the site", () => {
  fc.assert(
    fc.property(attributions, (attribution) => {
      expect(formatAttribution(attribution)).toMatch(/^[!-9;-~]+$/);
    }),
  );
});

test("no text makes the reader throw, and what it accepts it writes back the same", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc
          .array(fc.constantFrom("tab", "worker", "steady", "own", "1", "-1", "1e3", "us", "%", ""))
          .map((a) => a.join("/")),
      ),
      (text) => {
        const read = parseAttribution(text);
        if (read) expect(parseAttribution(formatAttribution(read))).toEqual(read);
      },
    ),
  );
});

test("tab ids are plain decimal integers only", () => {
  for (const id of ["-1", "1e3", "0x10", " 1", "", "1.5", "99999999999999999999"]) {
    expect(parseAttribution(`tab/${id}/us/example.org`)).toBeUndefined();
  }
});

const challenges: fc.Arbitrary<Challenge> = fc.oneof(
  fc.constant({ kind: "steady" as const }),
  fc.stringMatching(/^[0-9a-f]{24,64}$/).map((nonce) => ({ kind: "once" as const, nonce })),
);

test("every realm is read back as it was written", () => {
  fc.assert(
    fc.property(challenges, (challenge) => {
      expect(parseRealm(formatRealm(challenge))).toEqual(challenge);
    }),
  );
});

test("another proxy's realm is nobody's challenge", () => {
  for (const realm of [
    "",
    "atlantic",
    "Atlantic ",
    "Atlantic x",
    "Squid proxy-caching web server",
    "Atlantic  00",
  ]) {
    expect(parseRealm(realm)).toBeUndefined();
  }
});
