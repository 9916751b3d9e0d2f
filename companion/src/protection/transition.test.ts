import fc from "fast-check";
import { expect, test } from "vitest";
import type { Effect, ProtectionEvent, ProtectionState } from "./protection-state.ts";
import { BEGINNING, transition } from "./transition.ts";
import { NOTHING_WANTED, type Wanted } from "./wanted.ts";

type Rules = "none" | "blocked" | "upstreams" | "tunnel";

/** A machine as the effects leave it, in which any effect may fail and changes nothing then. */
class World {
  state: ProtectionState = BEGINNING;
  disk: Wanted | "unreadable" = NOTHING_WANTED;
  rules: Rules = "none";
  device = false;
  routes = false;
  carrying: string | null = null;
  readonly done: Effect["kind"][] = [];
  /** What the person asked for last, whatever came of it. */
  asked = { connected: false, lockdown: false };
  readonly #fails: (effect: Effect["kind"]) => boolean;
  readonly #check: (world: World, effect: Effect) => void;

  constructor(
    fails: (effect: Effect["kind"]) => boolean = () => false,
    check: (world: World, effect: Effect) => void = () => {},
  ) {
    this.#fails = fails;
    this.#check = check;
  }

  tell(event: ProtectionEvent): void {
    const queue = [event];
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { state, effects } = transition(this.state, next);
      this.state = state;
      for (const effect of effects) {
        if (effect.kind === "report") queue.push(effect.event);
        else if (this.#fails(effect.kind)) {
          // What cannot be written is made unreadable, as the keeper of the wish does.
          if (effect.kind === "keepWanted") this.disk = "unreadable";
          queue.push({ kind: "failed", effect: effect.kind, problem: `${effect.kind} failed` });
          break;
        } else this.#do(effect);
      }
    }
  }

  #do(effect: Effect): void {
    this.#check(this, effect);
    this.done.push(effect.kind);
    if (effect.kind === "keepWanted") this.disk = effect.wanted;
    if (effect.kind === "block") this.rules = "blocked";
    if (effect.kind === "allowUpstreams") this.rules = "upstreams";
    if (effect.kind === "allowTunnel") this.rules = "tunnel";
    if (effect.kind === "openRules") this.rules = "none";
    if (effect.kind === "openTunnel") this.device = true;
    if (effect.kind === "closeTunnel") this.device = false;
    if (effect.kind === "routesUp") this.routes = true;
    if (effect.kind === "routesDown") this.routes = false;
    if (effect.kind === "carry") this.carrying = effect.upstream;
    if (effect.kind === "hold") this.carrying = null;
  }
}

/** From open to connected, all going well. */
function connected(world = new World()): World {
  world.tell({ kind: "connect" });
  world.tell({ kind: "upstreamFound", search: world.state.search, upstream: "a" });
  world.tell({ kind: "verified", search: world.state.search });
  return world;
}

test("connecting writes the wish, then puts up rules, then routes, and then carries", () => {
  const world = connected();
  expect(world.done).toEqual([
    "keepWanted",
    "allowUpstreams",
    "search",
    "verify",
    "openTunnel",
    "allowTunnel",
    "routesUp",
    "carry",
  ]);
  expect(world.state).toMatchObject({ name: "connected", upstream: "a", problem: null });
});

test("disconnecting takes down flows, routes and device before the rules", () => {
  const world = connected();
  world.done.length = 0;
  world.tell({ kind: "disconnect" });
  expect(world.done).toEqual(["keepWanted", "stopSearch", "hold", "routesDown", "closeTunnel", "openRules"]);
  expect(world.state.name).toBe("open");
});

test("lockdown ends in blocked where open would be, and only unlocking opens", () => {
  const world = connected();
  world.tell({ kind: "lock" });
  world.tell({ kind: "disconnect" });
  expect(world.state.name).toBe("locked");
  expect(world.rules).toBe("blocked");
  world.tell({ kind: "unlock" });
  expect(world.state.name).toBe("open");
  expect(world.rules).toBe("none");
});

test("another upstream takes over with the rules and the device in place", () => {
  const world = connected();
  world.done.length = 0;
  world.tell({ kind: "upstreamLost", upstream: "a" });
  expect(world.state).toMatchObject({ name: "failover", lost: "a" });
  expect(world.carrying).toBeNull();
  world.tell({ kind: "upstreamFound", search: world.state.search, upstream: "b" });
  expect(world.state).toMatchObject({ name: "connected", upstream: "b" });
  expect(world.done).toEqual(["hold", "search", "swapUpstreams", "carry"]);
});

test("what an earlier search reports is not listened to", () => {
  const world = connected();
  const old = world.state.search;
  world.tell({ kind: "upstreamLost", upstream: "a" });
  world.tell({ kind: "upstreamFound", search: old, upstream: "late" });
  expect(world.state.name).toBe("failover");
});

test("after a crash it starts into what was wanted, blocked before anything else", () => {
  const world = new World();
  world.tell({ kind: "started", wanted: { connected: true, lockdown: false, allowLan: true } });
  expect(world.done[0]).toBe("block");
  expect(world.state).toMatchObject({ name: "connecting", wanted: { connected: true, allowLan: true } });
});

test("a wish that cannot be read is taken for protected and locked", () => {
  const world = new World();
  world.tell({ kind: "started", wanted: "unreadable" });
  expect(world.done[0]).toBe("block");
  expect(world.state).toMatchObject({ name: "connecting", wanted: { connected: true, lockdown: true } });
});

test("a breach blocks, is told, and heals by itself", () => {
  const world = connected();
  world.done.length = 0;
  world.tell({ kind: "breach", problem: "a canary got out" });
  expect(world.done[0]).toBe("block");
  expect(world.state).toMatchObject({ name: "error", problem: "a canary got out", blockingFailed: false });
  world.tell({ kind: "retry", search: world.state.search });
  expect(world.state).toMatchObject({ name: "connecting", problem: "a canary got out" });
});

test("rules that cannot be put up are never passed over in silence", () => {
  let broken = true;
  const world = new World((effect) => broken && (effect === "block" || effect.startsWith("allow")));
  world.tell({ kind: "connect" });
  expect(world.state).toMatchObject({ name: "error", blockingFailed: true });
  world.tell({ kind: "retry", search: world.state.search });
  expect(world.state).toMatchObject({ name: "error", blockingFailed: true });
  broken = false;
  world.tell({ kind: "retry", search: world.state.search });
  world.tell({ kind: "upstreamFound", search: world.state.search, upstream: "a" });
  expect(world.state).toMatchObject({ name: "connecting", blockingFailed: false });
});

test("a wish that cannot be written blocks, and does not keep anybody from disconnecting", () => {
  let full = true;
  const world = new World((effect) => full && effect === "keepWanted");
  world.tell({ kind: "connect" });
  expect(world.state.name).toBe("error");
  expect(world.rules).toBe("blocked");
  full = false;
  world.tell({ kind: "retry", search: world.state.search });
  expect(world.state.name).toBe("connecting");
  full = true;
  world.tell({ kind: "disconnect" });
  expect(world.state).toMatchObject({ name: "open", problem: "keepWanted failed" });
  expect(world.rules).toBe("none");
});

const upstream = fc.constantFrom("a", "b");
const problem = fc.constant("a problem");
/** `late`: from a search that is over. */
const late = fc.boolean();
type Step = (world: World) => ProtectionEvent;
const searchOf = (world: World, isLate: boolean) => world.state.search - (isLate ? 1 : 0);

const steps: fc.Arbitrary<Step> = fc.oneof(
  ...(["connect", "disconnect", "lock", "unlock", "deviceBack", "networkChanged"] as const).map((kind) =>
    fc.constant<Step>(() => ({ kind })),
  ),
  fc.boolean().map<Step>((allowed) => () => ({ kind: "allowLan", allowed })),
  problem.map<Step>((text) => () => ({ kind: "breach", problem: text })),
  problem.map<Step>((text) => () => ({ kind: "tunnelLost", problem: text })),
  problem.map<Step>((text) => () => ({ kind: "deviceLost", problem: text })),
  upstream.map<Step>((name) => () => ({ kind: "upstreamLost", upstream: name })),
  fc.tuple(upstream, late).map<Step>(([name, old]) => (world) => ({
    kind: "upstreamFound",
    search: searchOf(world, old),
    upstream: name,
  })),
  late.map<Step>((old) => (world) => ({ kind: "verified", search: searchOf(world, old) })),
  late.map<Step>((old) => (world) => ({ kind: "retry", search: searchOf(world, old) })),
  fc.tuple(problem, late).map<Step>(([text, old]) => (world) => ({
    kind: "notVerified",
    search: searchOf(world, old),
    problem: text,
  })),
  fc.tuple(problem, late).map<Step>(([text, old]) => (world) => ({
    kind: "noUpstreamYet",
    search: searchOf(world, old),
    problem: text,
  })),
  /** The daemon was killed: what it did stays, and it starts into what the disk says. */
  fc.constant<Step>((world) => {
    world.state = BEGINNING;
    world.carrying = null;
    world.device = false;
    return { kind: "started", wanted: world.disk };
  }),
);

const fallible: readonly Effect["kind"][] = [
  "keepWanted",
  "block",
  "allowUpstreams",
  "allowTunnel",
  "swapUpstreams",
  "openRules",
  "openTunnel",
  "closeTunnel",
  "routesUp",
  "routesDown",
];
const failures = fc.array(fc.option(fc.constantFrom(...fallible), { nil: null, freq: 3 }), { maxLength: 30 });

/** Runs the steps in a world in which each effect of the list fails once, when it is next tried. */
function run(
  list: readonly Step[],
  toFail: readonly (Effect["kind"] | null)[],
  check: (world: World, effect: Effect) => void,
  after: (world: World, event: ProtectionEvent) => void = () => {},
): void {
  const pending = [...toFail];
  const world = new World((effect) => {
    if (pending[0] !== null && pending[0] !== effect) return false;
    return pending.shift() === effect;
  }, check);
  for (const step of list) {
    const event = step(world);
    if (event.kind === "connect" || event.kind === "disconnect")
      world.asked.connected = event.kind === "connect";
    if (event.kind === "lock" || event.kind === "unlock") world.asked.lockdown = event.kind === "lock";
    world.tell(event);
    after(world, event);
  }
}

test("no path leads to open but by the person's own disconnect or unlock", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 40 }), failures, (list, toFail) => {
      run(
        list,
        toFail,
        (world, effect) => {
          if (effect.kind === "openRules") expect(world.asked).toEqual({ connected: false, lockdown: false });
        },
        (world) => {
          if (world.state.name === "open") expect(world.asked).toEqual({ connected: false, lockdown: false });
        },
      );
    }),
    { numRuns: 2_000 },
  );
});

test("traffic is led into the tunnel only behind rules, and carried only behind both", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 40 }), failures, (list, toFail) => {
      run(list, toFail, (world, effect) => {
        if (effect.kind === "routesUp") expect(world.rules).toBe("tunnel");
        if (effect.kind === "carry") expect([world.rules, world.routes]).toEqual(["tunnel", true]);
        if (effect.kind === "openRules") expect(world.carrying).toBeNull();
      });
    }),
    { numRuns: 2_000 },
  );
});

test("the wish is on disk before the first rule of it, and every rest is what is wanted", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 40 }), failures, (list, toFail) => {
      run(
        list,
        toFail,
        (world, effect) => {
          if (effect.kind === "allowUpstreams" || effect.kind === "allowTunnel") {
            expect(world.disk).toMatchObject({ connected: true });
          }
        },
        ({ state, rules }) => {
          if (state.name === "locked" || state.name === "error") {
            if (!state.blockingFailed && state.name === "locked") expect(rules).toBe("blocked");
          }
          if (state.name === "open") expect([rules, state.wanted.lockdown]).toEqual(["none", false]);
          if (state.name === "connected") expect(rules).toBe("tunnel");
        },
      );
    }),
    { numRuns: 2_000 },
  );
});

test("wherever it is wanted and went wrong, one retry after another leads back to connected", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 30 }), failures, (list, toFail) => {
      const pending = [...toFail];
      let healed = false;
      const world = new World((effect) => {
        if (healed || pending[0] !== effect) return false;
        pending.shift();
        return true;
      });
      for (const step of list) world.tell(step(world));
      healed = true;
      world.tell({ kind: "connect" });
      for (let turn = 0; turn < 6 && world.state.name !== "connected"; turn++) {
        const { search } = world.state;
        world.tell({ kind: "retry", search });
        world.tell({ kind: "upstreamFound", search: world.state.search, upstream: "a" });
        world.tell({ kind: "verified", search: world.state.search });
      }
      expect(world.state).toMatchObject({ name: "connected", blockingFailed: false });
      expect(world.rules).toBe("tunnel");
      expect(world.carrying).not.toBeNull();
    }),
    { numRuns: 1_000 },
  );
});
