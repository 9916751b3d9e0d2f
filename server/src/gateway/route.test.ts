import { ProxyError, type ProxyErrorCode, proxyErrors, proxyStatusValue } from "@atlantic/shared/errors.ts";
import { describe, expect, test } from "vitest";
import { ExitSessions } from "./exit-sessions.ts";
import { failoverRule } from "./failover-rules.ts";
import { Route } from "./route.ts";
import type { StickySession } from "./sticky-session.ts";
import type { ChosenExit, Upstream } from "./upstreams/upstream.ts";
import { UpstreamOrder } from "./upstreams/upstream-order.ts";

const exitOf = (upstream: string, key: string): ChosenExit => ({
  upstream,
  country: null,
  city: null,
  label: null,
  address: null,
  key,
  plan: () => ({ addresses: [], port: 0 }),
  explain: (error) => error as ProxyError,
});

/** An upstream that always has an exit, another for every session key. */
const always = (name: string): Upstream => ({
  name,
  places: [],
  probe: async () => {},
  breaker: { failures: 2, share: 0.5, windowSeconds: 30, restSeconds: 5, longestRestSeconds: 60 },
  choose: (_, session) => exitOf(name, session?.key ?? ""),
});

const clock = () => 0;
const newSessions = () => new ExitSessions({ clock, key: Buffer.alloc(32, 1) });

function sessionOf(sessions: ExitSessions, mode: "flex" | "strict" | "oneip"): StickySession {
  const session = sessions.of("a", {
    credential: "atl_a",
    exit: {},
    session: { id: "x", lifetimeMinutes: 10, mode },
  });
  if (session === undefined || session instanceof Promise) throw new Error("There is no session.");
  return session;
}

const order = (...names: string[]) => new UpstreamOrder(names.map(always), clock);
const plain = { exit: {}, session: undefined, datagrams: false };
const failure = (code: ProxyErrorCode) => new ProxyError(code);

describe("which errors are tried again elsewhere", () => {
  const elsewhere: readonly ProxyErrorCode[] = [
    "upstream_unreachable",
    "upstream_denied",
    "upstream_timeout",
    "upstream_failed",
    "tls_failed",
    "bad_response",
    "session_lost",
    "no_exit",
  ];

  test.each(elsewhere)("%s: by another upstream, and the answer names both", (code) => {
    const route = new Route(order("one", "two").of(undefined), newSessions(), plain);
    let next = route.failed(failure(code));
    // Where the exit alone may be at fault, the same upstream is asked once more.
    if (failoverRule(code).next === "again") {
      expect(next?.upstream).toBe("one");
      next = route.failed(failure(code));
    }
    expect(next?.upstream).toBe("two");
    expect(route.exit.upstream).toBe("two");
    const last = failure("connection_refused");
    expect(route.failed(last)).toBeUndefined();
    expect(proxyStatusValue(last)).toMatch(
      /^one; error=[a-z_]+; details=".*, two; error=.*, atlantic; error=/,
    );
  });

  test.each((Object.keys(proxyErrors) as ProxyErrorCode[]).filter((code) => !elsewhere.includes(code)))(
    "%s: by nobody",
    (code) => {
      const route = new Route(order("one", "two").of(undefined), newSessions(), plain);
      const error = failure(code);
      expect(route.failed(error)).toBeUndefined();
      expect(proxyStatusValue(error)).toMatch(/^atlantic; /);
      expect(route.attempts.map(({ upstream }) => upstream)).toEqual(["one"]);
    },
  );

  test("no more than four exits are tried", () => {
    const route = new Route(order("a", "b", "c", "d", "e").of(undefined), newSessions(), plain);
    const next = [1, 2, 3, 4].map(() => route.failed(failure("upstream_unreachable"))?.upstream);
    expect(next).toEqual(["b", "c", "d", undefined]);
  });

  test("a place that nobody has, or a pool that there is not, is named", () => {
    const exit = { country: "fr", pool: "nope" };
    const route = new Route(order("one").of("nope"), newSessions(), { ...plain, exit });
    expect(route.firstExit).toBeUndefined();
    expect(proxyStatusValue(route.problem)).toBe(
      'atlantic; error=destination_unavailable; details="no_exit: No upstream here has cc-fr-pool-nope."',
    );
  });

  test("a pool is that upstream alone", () => {
    const route = new Route(order("one", "two").of("two"), newSessions(), plain);
    expect(route.exit.upstream).toBe("two");
    expect(route.failed(failure("upstream_unreachable"))).toBeUndefined();
  });

  test("half of what is left is kept for those that could stand in", () => {
    const route = new Route(order("one", "two").of(undefined), newSessions(), plain);
    expect(route.timeoutMs(10_000)).toBe(5_000);
    route.failed(failure("upstream_timeout"));
    expect(route.timeoutMs(5_000)).toBe(5_000);
  });
});

describe("an upstream that failed often", () => {
  test("is passed over, and says so where it is the only one", () => {
    const upstreams = order("one", "two");
    for (let flow = 0; flow < 2; flow++) {
      new Route(upstreams.of(undefined), newSessions(), plain).failed(failure("upstream_unreachable"));
    }
    expect(upstreams.states()).toEqual(
      new Map([
        ["one", "resting"],
        ["two", "up"],
      ]),
    );
    expect(new Route(upstreams.of(undefined), newSessions(), plain).exit.upstream).toBe("two");
    const alone = new Route(upstreams.of("one"), newSessions(), plain);
    expect(alone.firstExit).toBeUndefined();
    expect(alone.problem).toMatchObject({ code: "upstream_unreachable" });
  });

  test("is not one whose targets refuse", () => {
    const upstreams = order("one");
    for (let flow = 0; flow < 20; flow++) {
      new Route(upstreams.of(undefined), newSessions(), plain).failed(failure("connection_refused"));
    }
    expect(upstreams.states().get("one")).toBe("up");
  });
});

describe("a session", () => {
  test("flex: moves to another exit of its upstream, then to another upstream, and stays there", () => {
    const sessions = newSessions();
    const upstreams = order("one", "two").of(undefined);
    const first = new Route(upstreams, sessions, { ...plain, session: sessionOf(sessions, "flex") });
    first.succeeded();
    expect(first.sessionMoved).toBe(false);

    const lost = new Route(upstreams, sessions, { ...plain, session: sessionOf(sessions, "flex") });
    const before = lost.exit.key;
    const again = lost.failed(failure("session_lost"));
    expect(again?.upstream).toBe("one");
    expect(again?.key).not.toBe(before);
    expect(lost.failed(failure("session_lost"))?.upstream).toBe("two");
    lost.succeeded();
    expect(lost.sessionMoved).toBe(true);

    const later = new Route(upstreams, sessions, { ...plain, session: sessionOf(sessions, "flex") });
    expect(later.exit.upstream).toBe("two");
    expect(later.exit.key).toBe(lost.exit.key);
    later.succeeded();
    expect(later.sessionMoved).toBe(false);
  });

  test.each(["strict", "oneip"] as const)(
    "%s: has its upstream alone, and fails once its address is lost",
    (mode) => {
      const sessions = newSessions();
      const upstreams = order("one", "two").of(undefined);
      const begin = () => new Route(upstreams, sessions, { ...plain, session: sessionOf(sessions, mode) });
      const first = begin();
      // Nothing was promised before the first success.
      expect(first.failed(failure("upstream_unreachable"))?.upstream).toBe("two");
      first.succeeded();

      const ill = begin();
      expect(ill.exit.upstream).toBe("two");
      expect(ill.failed(failure("upstream_unreachable"))).toBeUndefined();
      expect(begin().firstExit?.upstream).toBe("two");

      expect(begin().failed(failure("session_lost"))).toBeUndefined();
      const after = begin();
      expect(after.firstExit).toBeUndefined();
      expect(after.problem.code).toBe("session_lost");
    },
  );
});

test("several countries are asked for one by one, and datagrams only of those that carry them", () => {
  const asked: (string | undefined)[] = [];
  const german: Upstream = {
    name: "german",
    places: [],
    choose: ({ country }) => {
      asked.push(country);
      return country === "de" ? exitOf("german", "de") : undefined;
    },
  };
  const upstreams = new UpstreamOrder([german], clock).of(undefined);
  const wish = { ...plain, exit: { countries: ["fr", "de", "us"] } };
  expect(new Route(upstreams, newSessions(), wish).exit.key).toBe("de");
  expect(asked).toContain("de");
  expect(new Route(upstreams, newSessions(), { ...wish, datagrams: true }).problem.code).toBe(
    "command_unsupported",
  );
});
