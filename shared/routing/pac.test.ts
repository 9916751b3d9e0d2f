import { createContext, runInContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  challengerOf,
  compileProxyScript,
  type Naming,
  type ProxyScript,
  probeHost,
  REQUESTS_PER_NAME,
} from "./pac.ts";

const namings: readonly Naming[] = ["steady", "byHost", "inTurns", "own"];
const script: fc.Arbitrary<ProxyScript> = fc.record({
  port: fc.integer({ min: 1, max: 65_535 }),
  naming: fc.constantFrom(...namings),
  generation: fc.nat({ max: 1_000 }),
});
const domain = fc.oneof(fc.domain(), fc.constantFrom("__proto__", "constructor"), fc.ipV4());
const hosts = fc.array(domain, { minLength: 1, maxLength: 20 });

/** The script as Chrome runs it: loaded once, then asked for each request. */
function load(some: ProxyScript): (host: string) => string {
  const context = createContext({ host: "" });
  runInContext(compileProxyScript(some), context);
  return (host) => {
    context.host = host;
    return String(runInContext('FindProxyForURL("https://" + host + "/", host)', context));
  };
}

const scriptOf = (naming: Naming) => load({ port: 9150, naming, generation: 1 });

describe("the proxy script", () => {
  it("never lets a request go direct, and names only challengers that it recognises again", () => {
    fc.assert(
      fc.property(script, hosts, (some, names) => {
        const proxyFor = load(some);
        for (const name of names) {
          const answer = proxyFor(name);
          expect(answer).toMatch(/^PROXY [a-z0-9.-]+:\d+$/);
          const [challenger = "", port = ""] = answer.slice("PROXY ".length).split(":");
          expect(challengerOf(challenger, Number(port), some.port)).toBe(
            some.naming === "own" ? "own" : "shared",
          );
        }
      }),
    );
    expect(challengerOf("r1.localhost.evil.test", 9150, 9150)).toBeUndefined();
    expect(challengerOf("p1-1.localhost.evil.test", 9150, 9150)).toBeUndefined();
    expect(challengerOf("127.0.0.1", 9151, 9150)).toBeUndefined();
  });

  it("leads a probe to the companion under the script of its generation alone", () => {
    fc.assert(
      fc.property(script, fc.nat({ max: 1_000 }), (some, generation) => {
        const ours = load(some)(probeHost(generation)) === `PROXY 127.0.0.1:${some.port}`;
        expect(ours).toBe(generation === some.generation || some.port === 1);
      }),
    );
  });

  it("lets no name serve so many requests in turns that Chrome runs out of connections to it", () => {
    const proxyFor = scriptOf("inTurns");
    const served = new Map<string, number>();
    for (let request = 0; request < 5_000; request += 1) {
      const name = proxyFor(request % 3 === 0 ? "cdn.test" : `s${request % 50}.test`);
      served.set(name, (served.get(name) ?? 0) + 1);
    }
    expect(Math.max(...served.values())).toBe(REQUESTS_PER_NAME);
    expect(REQUESTS_PER_NAME).toBeLessThan(32);
  });

  it("keeps a host's requests on one name, apart from every other host's", () => {
    const proxyFor = scriptOf("byHost");
    const names = Array.from({ length: 100 }, () => proxyFor("a.test"));
    expect(new Set(names).size).toBe(1);
    expect(proxyFor("b.test")).not.toBe(names[0]);
  });

  it("gives no name twice, however many hosts there are and whenever Chrome loads it anew", () => {
    for (const naming of ["byHost", "inTurns"] as const) {
      const [one, other] = [scriptOf(naming), scriptOf(naming)];
      const names = Array.from({ length: 5_000 }, (_, index) => one(`h${index}.test`));
      expect(new Set([...names, one("h0.test"), other("h0.test")]).size).toBe(5_002);
    }
  });

  it("gives each request a name of its own when none may share", () => {
    const proxyFor = scriptOf("own");
    expect(new Set(Array.from({ length: 200 }, () => proxyFor("a.test"))).size).toBe(200);
  });
});
