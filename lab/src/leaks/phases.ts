import type { Policy, SplitRules, TunnelLink } from "@atlantic/companion/src/firewall/policy.ts";
import type { Chosen } from "./chosen.ts";
import { endpointsAt, type UpstreamSite } from "./matrix.ts";

/** The tunnel's device while a phase is tried. */
export type Device =
  /** Made, named in the policy, and gone. */
  | "absent"
  /** There, while the default route stays on the physical link. */
  | "present"
  /** There, and the default routes lead into it. */
  | "routed"
  /** It was there with the routes, and went while the rules stayed. */
  | "taken away"
  /** Gone, and another physical link has its name. */
  | "impostor";

/** One state that the whole matrix is tried in. */
export interface Phase {
  readonly name: string;
  /** How the state is reached from open: policies one after the other. */
  path(tunnel: TunnelLink, chosen: Chosen): readonly Policy[];
  readonly device: Device;
  /** Probes go to a second link, plugged in before the rules or after them. */
  readonly secondLink: "none" | "before" | "after";
  /** What goes on while the probes are sent. */
  readonly meanwhile: "nothing" | "swap upstreams" | "change state";
}

export const upstreamA: UpstreamSite = { 4: "100.100.7.7", 6: "2001:db8:100::7" };
export const upstreamB: UpstreamSite = { 4: "100.100.8.8", 6: "2001:db8:100::8" };

const earlyBoot: Policy = { kind: "blocked", bootstrap: [], allowLan: false };
/** Blocked, with one way to upstreams left. */
export const locked: Policy = {
  kind: "blocked",
  bootstrap: endpointsAt(upstreamA).filter(({ protocol }) => protocol === "tcp"),
  allowLan: false,
};
export const connecting: Policy = {
  kind: "connecting",
  upstreams: endpointsAt(upstreamA),
  allowLan: false,
};

/** The policy of the connected state, for upstream A or another. */
export function connected(tunnel: TunnelLink, allowLan = false, upstream = upstreamA): Policy {
  return { kind: "connected", upstreams: endpointsAt(upstream), tunnel, allowLan, split: null };
}

/** Connected, with some traffic beside the tunnel or only some through it. */
export function split(tunnel: TunnelLink, mode: SplitRules["mode"], chosen: Chosen): Policy {
  return {
    kind: "connected",
    upstreams: endpointsAt(upstreamA),
    tunnel,
    allowLan: false,
    split: { mode, ...chosen },
  };
}

type Rest = Partial<Pick<Phase, "device" | "secondLink" | "meanwhile">>;

function phase(name: string, path: Phase["path"], rest: Rest = {}): Phase {
  return { name, path, device: "absent", secondLink: "none", meanwhile: "nothing", ...rest };
}

const connect = (tunnel: TunnelLink) => [connecting, connected(tunnel)];

/** The states, and what happens between them, in the order in which they are tried. */
export const phases: readonly Phase[] = [
  phase("early boot", () => [earlyBoot]),
  phase("locked", () => [locked]),
  phase("connecting", () => [connecting]),
  phase("connected, device absent", connect),
  phase("connected, device present", connect, { device: "present" }),
  phase("connected, routes up", connect, { device: "routed" }),
  phase("connected, local network allowed", (tunnel) => [connecting, connected(tunnel, true)], {
    device: "present",
  }),
  ...(["all-but", "only"] as const).flatMap((mode) =>
    (["routed", "absent"] as const).map((device) =>
      phase(
        `split, ${mode}, device ${device}`,
        (tunnel, chosen) => [connecting, split(tunnel, mode, chosen)],
        { device },
      ),
    ),
  ),
  phase("failover, while upstreams are swapped", connect, { device: "routed", meanwhile: "swap upstreams" }),
  phase("while the state changes", connect, { device: "present", meanwhile: "change state" }),
  phase("disconnecting", connect, { device: "taken away" }),
  phase("locked after connected", (tunnel) => [connecting, connected(tunnel), locked]),
  phase("connected, second link", connect, { device: "present", secondLink: "before" }),
  phase("connected, link plugged in", connect, { device: "present", secondLink: "after" }),
  phase("locked, link plugged in", () => [locked], { secondLink: "after" }),
  phase("connected, a link with the device's name", connect, { device: "impostor", secondLink: "before" }),
];
