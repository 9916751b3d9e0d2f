import type { Effect, ProtectionEvent, ProtectionState, Transition } from "./protection-state.ts";
import { NOTHING_WANTED, SAFEST_WANTED, type Wanted } from "./wanted.ts";

type Connecting = Extract<ProtectionState, { name: "connecting" }>;
type Failover = Extract<ProtectionState, { name: "failover" }>;
type OfSearch = Extract<ProtectionEvent, { search: number }>;

/** Before `started`: nothing has been read yet, and nothing done. */
export const BEGINNING: ProtectionState = {
  name: "open",
  wanted: NOTHING_WANTED,
  search: 0,
  failures: 0,
  problem: null,
  blockingFailed: false,
};

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

const UNREADABLE =
  "What was wanted could not be read from disk, so the machine is protected and locked: disconnect or unlock if that is not wanted.";

/**
 * The whole of what the protection does, as a function. Rules stand before routes, routes before sockets, and the other
 * way round on the way down; what is wanted is on disk before the rules change.
 */
export function transition(state: ProtectionState, event: ProtectionEvent): Transition {
  switch (event.kind) {
    case "started":
      return start(state, event.wanted);
    case "connect":
      return connect(state);
    case "disconnect":
      return disconnect(state);
    case "lock":
    case "unlock":
      return lockdown(state, event.kind === "lock");
    case "allowLan":
      return allowLan(state, event.allowed);
    case "wentDown":
      return state.name === "disconnecting" ? to(rested(state), []) : stay(state);
    case "upstreamLost":
      return upstreamLost(state, event.upstream);
    case "breach":
      return state.name === "open" || state.name === "disconnecting"
        ? stay(state)
        : failed(state, event.problem);
    case "deviceLost":
      return stay(isUp(state) ? { ...state, problem: event.problem } : state);
    case "deviceBack":
      return isUp(state)
        ? to({ ...state, problem: null }, [{ kind: "allowTunnel" }, { kind: "routesUp" }])
        : stay(state);
    case "tunnelLost":
      return to(inError(state, event.problem), [{ kind: "block" }, { kind: "restart" }]);
    case "networkChanged":
      return networkChanged(state);
    case "failed":
      return effectFailed(state, event.effect, event.problem);
    default:
      return event.search === state.search ? ofSearch(state, event) : stay(state);
  }
}

function start(state: ProtectionState, found: Wanted | "unreadable"): Transition {
  if (found === "unreadable") {
    return blockedFirst(connecting({ ...state, wanted: SAFEST_WANTED, problem: UNREADABLE }));
  }
  if (found.connected) return blockedFirst(connecting({ ...state, wanted: found }));
  return rest({ ...state, wanted: found });
}

function blockedFirst({ state, effects }: Transition): Transition {
  return to(state, [{ kind: "block" }, ...effects]);
}

function connect(state: ProtectionState): Transition {
  const wanted = { ...state.wanted, connected: true };
  return isOnTheWay(state)
    ? to({ ...state, wanted }, [{ kind: "keepWanted", wanted }])
    : connecting({ ...state, wanted, problem: null });
}

/** The wish, the rules, then the search. What is up already of the tunnel stays up and is held meanwhile. */
function connecting(state: ProtectionState): Transition {
  const search = state.search + 1;
  return {
    state: { ...common(state), search, name: "connecting", step: "searching", upstream: null },
    effects: [
      { kind: "keepWanted", wanted: state.wanted },
      { kind: "allowUpstreams" },
      { kind: "search", search },
    ],
  };
}

function disconnect(state: ProtectionState): Transition {
  const wanted = { ...state.wanted, connected: false };
  if (isAtRest(state)) return to({ ...state, wanted }, [{ kind: "keepWanted", wanted }]);
  return to(goingDown({ ...state, wanted, problem: null }), wayDown(wanted));
}

function goingDown(state: ProtectionState): ProtectionState {
  return { ...common(state), search: state.search + 1, name: "disconnecting" };
}

/** The wish first; then the reverse of the way up: sockets, routes, device, rules. */
function wayDown(wanted: Wanted): readonly Effect[] {
  return [
    { kind: "keepWanted", wanted },
    { kind: "stopSearch" },
    { kind: "hold" },
    { kind: "routesDown" },
    { kind: "closeTunnel" },
    { kind: wanted.lockdown ? "block" : "openRules" },
    { kind: "report", event: { kind: "wentDown" } },
  ];
}

/** At rest, with the rules of it still to be made. */
function rest(state: ProtectionState): Transition {
  return to(rested(state), [{ kind: state.wanted.lockdown ? "block" : "openRules" }]);
}

function rested(state: ProtectionState): ProtectionState {
  const name = state.wanted.lockdown ? "locked" : "open";
  return { ...common(state), name, failures: 0, blockingFailed: false };
}

function lockdown(state: ProtectionState, on: boolean): Transition {
  const wanted = { ...state.wanted, lockdown: on };
  const keep: Effect = { kind: "keepWanted", wanted };
  if (state.name === "disconnecting") return to({ ...state, wanted }, wayDown(wanted));
  if (!isAtRest(state)) return to({ ...state, wanted }, [keep]);
  const resting = rest({ ...state, wanted, problem: null });
  return to(resting.state, [keep, ...resting.effects]);
}

function allowLan(state: ProtectionState, allowed: boolean): Transition {
  const wanted = { ...state.wanted, allowLan: allowed };
  return to({ ...state, wanted }, [{ kind: "keepWanted", wanted }, ...sameRules(state)]);
}

/** The rules of the state once more, with what is wanted now. */
function sameRules(state: ProtectionState): readonly Effect[] {
  switch (state.name) {
    case "open":
    case "disconnecting":
      return [];
    case "connecting":
      return state.step === "raising"
        ? [{ kind: "allowTunnel" }, { kind: "routesUp" }]
        : [{ kind: "allowUpstreams" }];
    case "connected":
    case "failover":
      return [{ kind: "allowTunnel" }, { kind: "routesUp" }];
    case "error":
    case "locked":
      return [{ kind: "block" }];
  }
}

function ofSearch(state: ProtectionState, event: OfSearch): Transition {
  if (state.name === "connecting") return whileConnecting(state, event);
  if (state.name === "failover") return whileSwitching(state, event);
  if (state.name === "error" && event.kind === "retry") return retry(state);
  return stay(state);
}

function retry(state: ProtectionState): Transition {
  if (state.wanted.connected) return connecting(state);
  // The way down, or the rules at its end, did not come off.
  return to(goingDown(state), wayDown(state.wanted));
}

function whileConnecting(before: Connecting, event: OfSearch): Transition {
  // A search reports only once the rules for it stand.
  const state = { ...before, blockingFailed: false };
  const { search } = state;
  switch (event.kind) {
    case "noUpstreamYet":
      return stay({ ...state, problem: event.problem });
    case "upstreamFound": {
      const { upstream } = event;
      return to({ ...state, step: "verifying", upstream }, [{ kind: "verify", search, upstream }]);
    }
    case "notVerified":
      return failed(state, event.problem);
    case "verified":
      return state.upstream === null ? stay(state) : raise(state, state.upstream);
    case "raised":
      if (state.upstream === null) return stay(state);
      return stay({
        ...common(state),
        name: "connected",
        upstream: state.upstream,
        failures: 0,
        problem: null,
      });
    default:
      return stay(state);
  }
}

/** The device carries nothing before the rules for it stand, and nothing is led into it before. */
function raise(state: Connecting, upstream: string): Transition {
  return to({ ...state, step: "raising" }, [
    { kind: "openTunnel" },
    { kind: "allowTunnel" },
    { kind: "routesUp" },
    { kind: "carry", upstream },
    { kind: "report", event: { kind: "raised", search: state.search } },
  ]);
}

function upstreamLost(state: ProtectionState, lost: string): Transition {
  if (state.name !== "connected" || state.upstream !== lost) return stay(state);
  const search = state.search + 1;
  return {
    state: { ...common(state), search, name: "failover", lost },
    effects: [{ kind: "hold" }, { kind: "search", search }],
  };
}

function whileSwitching(state: Failover, event: OfSearch): Transition {
  switch (event.kind) {
    case "noUpstreamYet":
      return stay({ ...state, problem: event.problem });
    case "upstreamFound": {
      const { search } = state;
      const { upstream } = event;
      return to(state, [
        { kind: "swapUpstreams" },
        { kind: "carry", upstream },
        { kind: "report", event: { kind: "switched", search, upstream } },
      ]);
    }
    case "switched":
      return stay({ ...common(state), name: "connected", upstream: event.upstream, problem: null });
    default:
      return stay(state);
  }
}

function networkChanged(state: ProtectionState): Transition {
  if (isUp(state)) return to(state, [{ kind: "probe" }]);
  return state.name === "error" && state.wanted.connected ? connecting(state) : stay(state);
}

/** Everything is blocked before anything else is done. */
function failed(state: ProtectionState, problem: string): Transition {
  const next = inError(state, problem);
  return to(next, [{ kind: "block" }, ...afterBlock(next)]);
}

function inError(state: ProtectionState, problem: string): ProtectionState {
  return {
    ...common(state),
    search: state.search + 1,
    failures: state.failures + 1,
    problem,
    name: "error",
  };
}

function afterBlock({ search, failures }: ProtectionState): readonly Effect[] {
  const afterMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
  return [{ kind: "stopSearch" }, { kind: "hold" }, { kind: "retryLater", search, afterMs }];
}

function effectFailed(state: ProtectionState, effect: Effect["kind"], problem: string): Transition {
  if (effect === "block") {
    const next = { ...inError(state, problem), blockingFailed: true };
    return to(next, afterBlock(next));
  }
  if (state.name === "disconnecting") return goOnDown(state, effect, problem);
  if (effect === "keepWanted" && (isAtRest(state) || state.name === "error")) {
    // What the person asked for is done all the same: after a crash the machine is safer than asked, never less safe.
    return to({ ...state, problem }, state.name === "error" ? [] : rest(state).effects);
  }
  return failed(state, problem);
}

/** What cannot be taken down is left; the rules still stand, and whether they go is the person's word. */
function goOnDown(state: ProtectionState, effect: Effect["kind"], problem: string): Transition {
  const effects = wayDown(state.wanted);
  if (effect === "openRules") return failed(state, problem);
  const at = effects.findIndex(({ kind }) => kind === effect);
  return to({ ...state, problem }, effects.slice(at + 1));
}

function isOnTheWay({ name }: ProtectionState): boolean {
  return name === "connecting" || name === "connected" || name === "failover";
}

function isUp({ name }: ProtectionState): boolean {
  return name === "connected" || name === "failover";
}

function isAtRest({ name }: ProtectionState): boolean {
  return name === "open" || name === "locked";
}

function common({ wanted, search, failures, problem, blockingFailed }: ProtectionState) {
  return { wanted, search, failures, problem, blockingFailed };
}

function stay(state: ProtectionState): Transition {
  return { state, effects: [] };
}

function to(state: ProtectionState, effects: readonly Effect[]): Transition {
  return { state, effects };
}
