import { explainUsername } from "@atlantic/shared/exits/explain.ts";
import { formatGatewayUsername, parseGatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { mergeOptions, readRequestOptions } from "@atlantic/shared/exits/request-options.ts";
import { bytesOf, type FuzzTarget, holds, same } from "../fuzz-target.ts";
import { mutated } from "../mutate.ts";
import type { Random } from "../random.ts";

const corpus = bytesOf(
  "customer-customer-cc-us",
  "atl_k3x9m2qp",
  "atl_k3x9m2qp-cc-de-sid-cart1-ttl-30",
  "atl_k3x9m2qp-cc-us-st-california-city-los_angeles-mode-strict-sid-a",
  "atl_k3x9m2qp-asn-3320-isp-residential-pool-main",
  "atl_k3x9m2qp-cc-us-zip-10115-sid-x_1-mode-oneip",
  "customer-atl_k3x9m2qp-cc-US-st-us_california-city-los_angeles-sessid-abc-sesstime-5",
  "customer-atl_k3x9m2qp-sessid_oneip-1-postalcode-90210-ASN-7018",
);
const tokens = bytesOf(
  "-cc-",
  "-st-",
  "-city-",
  "-zip-",
  "-asn-",
  "-isp-",
  "-pool-",
  "-sid-",
  "-ttl-",
  "-mode-",
  "-sessid-",
  "-sesstime-",
  "customer-",
  "de",
  "us,de",
  "us+de",
  "4294967295",
  "1440",
  "oneip",
  "__proto__",
  "constructor",
  "\xc3\xa4",
);
const MAX_BYTES = 255;

const optionNames = [
  "country",
  "region",
  "city",
  "zip",
  "asn",
  "isp",
  "session",
  "session-minutes",
  "mode",
  "pool",
] as const;
const optionValues = [
  "de",
  "us",
  "us,de",
  "california",
  "10115",
  "3320",
  "a",
  "30",
  "strict",
  "",
  "\xe4",
  "x".repeat(99),
] as const;

function options(random: Random) {
  return Array.from({ length: 1 + random.below(4) }, () => ({
    lower: `x-atlantic-${random.pick(optionNames)}`,
    value: random.pick(optionValues),
  }));
}

/** The gateway's user names and the options of requests: they never throw, and what is read can be written. */
export const userName: FuzzTarget = {
  name: "user names",
  weight: 3,
  input: (random) => mutated(random, corpus, tokens),
  check(input, random) {
    const text = input.toString(random.below(2) === 0 ? "utf8" : "latin1");
    const read = parseGatewayUsername(text);
    const explained = explainUsername(text);
    holds(typeof explained === "object", "It cannot be explained.");
    if ("problem" in read) {
      holds(/^\P{Cc}*$/u.test(read.problem), () => `The problem shows ${JSON.stringify(read.problem)}.`);
      holds(read.problem.length < 2_000, "The problem is as long as the input.");
      return;
    }
    const written = formatGatewayUsername(read);
    const again = parseGatewayUsername(written);
    if (Buffer.byteLength(written) <= MAX_BYTES) same(again, read, "It is written as another user name");
    const asked = readRequestOptions(options(random));
    if (asked === undefined || "problem" in asked) return;
    const merged = mergeOptions(read, asked);
    if ("problem" in merged) return;
    const text2 = formatGatewayUsername(merged);
    if (Buffer.byteLength(text2) <= MAX_BYTES)
      same(parseGatewayUsername(text2), merged, "Merged options are lost");
  },
};
