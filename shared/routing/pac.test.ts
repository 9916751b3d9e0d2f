import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { challengerOf, compileProxyScript, type ProxyScript, probeHost, proxyFor } from "./pac.ts";

const script: fc.Arbitrary<ProxyScript> = fc.record({
  port: fc.integer({ min: 1, max: 65_535 }),
  naming: fc.constantFrom("steady" as const, "shared" as const, "own" as const),
  generation: fc.nat({ max: 1_000 }),
});
const host = fc.oneof(fc.domain(), fc.nat({ max: 1_000 }).map(probeHost), fc.ipV4());
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

function run(compiled: string, name: string, fraction: number): string {
  const context = { name, Math: { ...Math, floor: Math.floor, random: () => fraction } };
  return String(runInNewContext(`${compiled}; FindProxyForURL("https://" + name + "/", name)`, context));
}

describe("the proxy script", () => {
  it("answers in the browser what the interpreter answers here", () => {
    fc.assert(
      fc.property(script, host, random, (some, name, fraction) => {
        expect(run(compileProxyScript(some), name, fraction)).toBe(proxyFor(some, name, fraction));
      }),
    );
  });

  it("never lets a request go direct", () => {
    fc.assert(
      fc.property(script, host, random, (some, name, fraction) => {
        expect(proxyFor(some, name, fraction)).toMatch(/^PROXY [a-z0-9.]+:\d+$/);
      }),
    );
  });

  it("leads a probe to the companion under the script of its generation alone", () => {
    fc.assert(
      fc.property(script, fc.nat({ max: 1_000 }), (some, generation) => {
        const ours = proxyFor(some, probeHost(generation), 0) === `PROXY 127.0.0.1:${some.port}`;
        expect(ours).toBe(generation === some.generation || some.port === 1);
      }),
    );
  });

  it("names only challengers that it recognises again", () => {
    fc.assert(
      fc.property(script, fc.domain(), random, (some, name, fraction) => {
        const [challenger = "", port = ""] = proxyFor(some, name, fraction).slice("PROXY ".length).split(":");
        expect(challengerOf(challenger, Number(port), some.port)).toBe(
          some.naming === "own" ? "own" : "shared",
        );
      }),
    );
    expect(challengerOf("r1.localhost.evil.test", 9150, 9150)).toBeUndefined();
    expect(challengerOf("127.0.0.1", 9151, 9150)).toBeUndefined();
  });
});
