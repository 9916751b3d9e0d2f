import { type Answer, decode } from "dns-packet";
import { describe, expect, test } from "vitest";
import { ask, exchangeTcp, exchangeUdp, queryFor, rcodeOf } from "./testing/ask.ts";
import { listOf } from "./testing/list-of.ts";
import { openStage as openAnyStage } from "./testing/stage.ts";
import { answerFromZone, type ZoneEntry } from "./testing/zone.ts";

const address = (name: string, data: string, ttl = 300): Answer => ({ type: "A", name, ttl, data });
const alias = (name: string, data: string): Answer => ({ type: "CNAME", name, ttl: 300, data });
const soa: Answer = {
  type: "SOA",
  name: "example",
  ttl: 900,
  data: {
    mname: "ns.example",
    rname: "who.example",
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum: 600,
  },
};

const zone: Record<string, ZoneEntry> = {
  "www.example": [
    address("www.example", "192.0.2.1"),
    { type: "AAAA", name: "www.example", ttl: 300, data: "2001:db8::1" },
  ],
  "shop.example": [alias("shop.example", "cdn.example")],
  "cdn.example": [alias("cdn.example", "metrics.tracker.example")],
  "metrics.tracker.example": [address("metrics.tracker.example", "192.0.2.66")],
  "gone.example": { rcode: "NXDOMAIN", authorities: [soa] },
  "broken.example": { rcode: "SERVFAIL" },
  "long.example": [
    { type: "TXT", name: "long.example", ttl: 60, data: Array.from({ length: 40 }, () => "x".repeat(250)) },
  ],
};

/** Everything holds with the native fast path in front, and with JavaScript alone. */
describe.each([{ withoutNative: false }, { withoutNative: true }])("$withoutNative", ({ withoutNative }) => {
  const openStage: typeof openAnyStage = (answer, options = {}) =>
    openAnyStage(answer, { ...options, withoutNative });

  test("a name is asked of the server through the dialler alone, and answered over UDP and TCP", async () => {
    await using stage = await openStage(answerFromZone(zone));
    const overUdp = await ask(stage.place, "www.example");
    expect(overUdp.answers).toMatchObject([{ type: "A", data: "192.0.2.1" }]);
    const [overTcp = Buffer.alloc(0)] = await exchangeTcp(stage.place, [queryFor("www.example", "AAAA")]);
    expect(decode(overTcp).answers).toMatchObject([{ type: "AAAA", data: "2001:db8::1" }]);
    expect(stage.site.dialled).toEqual(["doh.test.example:443"]);
    expect(stage.site.httpVersions).toEqual(["2.0", "2.0"]);
  });

  test("blocked names are answered NXDOMAIN and never asked", async () => {
    await using stage = await openStage(answerFromZone(zone), {
      sources: [listOf("||tracker.example^", "0.0.0.0 www.example")],
    });
    expect(rcodeOf(await ask(stage.place, "metrics.tracker.example"))).toBe(3);
    expect(rcodeOf(await ask(stage.place, "www.example", "AAAA"))).toBe(3);
    expect(stage.site.queries).toEqual([]);
    expect(stage.resolver.counters()).toMatchObject({
      queries: 2,
      blocked: 2,
      asked: 0,
      blockedBy: { test: 2 },
    });
    expect(stage.resolver.why("metrics.tracker.example")).toMatchObject({
      verdict: "blocked",
      rule: { by: "list", source: "test", rule: "||tracker.example^" },
    });
  });

  test("a name that is asked while the first lists are read waits for them", async () => {
    await using stage = await openStage(answerFromZone(zone));
    const read = Promise.withResolvers<void>();
    stage.filter.beginWith(read.promise.then(() => stage.filter.load([listOf("||tracker.example^")])));
    const asked = ask(stage.place, "metrics.tracker.example");
    const local = await ask(stage.place, "localhost");
    expect(local.answers).toMatchObject([{ data: "127.0.0.1" }]);
    read.resolve();
    expect(rcodeOf(await asked)).toBe(3);
    expect(stage.site.queries).toEqual([]);
    expect(stage.filter.beginning).toBeNull();
  });

  test("a name that leads to a blocked one is blocked, and why tells the way", async () => {
    await using stage = await openStage(answerFromZone(zone), { sources: [listOf("||tracker.example^")] });
    expect(rcodeOf(await ask(stage.place, "shop.example"))).toBe(3);
    expect(stage.resolver.why("shop.example")).toMatchObject({
      verdict: "blocked",
      through: ["cdn.example", "metrics.tracker.example"],
      rule: { rule: "||tracker.example^" },
    });
  });

  test("fake addresses are told for names, and nameOf knows them", async () => {
    await using stage = await openStage(answerFromZone(zone), { fakeAddresses: "at once" });
    const v4 = (await ask(stage.place, "www.example")).answers?.[0];
    const v6 = (await ask(stage.place, "www.example", "AAAA")).answers?.[0];
    expect(v4).toMatchObject({ type: "A", data: expect.stringMatching(/^198\.(18|19)\./) });
    expect(v6).toMatchObject({ type: "AAAA", data: expect.stringMatching(/^fd61:746c:1:/) });
    expect(stage.resolver.nameOf(`${v4 && "data" in v4 ? v4.data : ""}`)).toBe("www.example");
    expect(stage.resolver.nameOf(`${v6 && "data" in v6 ? v6.data : ""}`)).toBe("www.example");
    expect(stage.site.queries).toEqual([]);
  });

  test("checked fake addresses are given only to names that are there, and lead to nothing blocked", async () => {
    await using stage = await openStage(answerFromZone(zone), {
      fakeAddresses: "checked",
      sources: [listOf("||tracker.example^")],
    });
    expect((await ask(stage.place, "www.example")).answers).toMatchObject([
      { data: expect.stringMatching(/^198\./) },
    ]);
    expect(rcodeOf(await ask(stage.place, "gone.example"))).toBe(3);
    expect(rcodeOf(await ask(stage.place, "shop.example"))).toBe(3);
  });

  test("an answer too large for UDP is cut with TC set, and whole over TCP", async () => {
    await using stage = await openStage(answerFromZone(zone));
    const cut = await ask(stage.place, "long.example", "TXT");
    expect(cut.flag_tc).toBe(true);
    expect(cut.answers).toEqual([]);
    const [whole = Buffer.alloc(0)] = await exchangeTcp(stage.place, [queryFor("long.example", "TXT")]);
    expect(whole.length).toBeGreaterThan(10_000);
    expect(decode(whole).answers).toHaveLength(1);
  });

  test("the client's spelling of the name comes back, and a cached answer serves another spelling", async () => {
    await using stage = await openStage(answerFromZone(zone));
    const first = await exchangeUdp(stage.place, queryFor("wWw.ExAmPlE"));
    const second = await exchangeUdp(stage.place, queryFor("WWW.example"));
    expect(decode(first).questions).toMatchObject([{ name: "wWw.ExAmPlE" }]);
    expect(decode(second).questions).toMatchObject([{ name: "WWW.example" }]);
    expect(stage.site.queries).toHaveLength(1);
    expect(stage.resolver.counters()).toMatchObject({ asked: 1, cached: 1 });
  });

  test("names of the local network are denied and told to nobody", async () => {
    await using stage = await openStage(answerFromZone(zone));
    for (const name of ["printer", "printer.local", "1.0.168.192.in-addr.arpa", "router.lan", "x.onion"]) {
      expect(rcodeOf(await ask(stage.place, name, name.endsWith("arpa") ? "PTR" : "A"))).toBe(3);
    }
    expect((await ask(stage.place, "localhost")).answers).toMatchObject([{ data: "127.0.0.1" }]);
    expect(stage.site.queries).toEqual([]);
  });

  test("ANY and zone transfers are refused", async () => {
    await using stage = await openStage(answerFromZone(zone));
    for (const type of ["ANY", "AXFR"]) expect(rcodeOf(await ask(stage.place, "www.example", type))).toBe(5);
    expect(stage.site.queries).toEqual([]);
  });

  test("a name that nobody can resolve is a failure, not a denial", async () => {
    await using stage = await openStage(() => ({ status: 503 }));
    expect(rcodeOf(await ask(stage.place, "www.example"))).toBe(2);
    expect(stage.resolver.counters().failed).toBe(1);
  });
});
