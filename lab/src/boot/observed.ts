import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import type { Frame } from "../capture/pcap.ts";
import { account } from "../leaks/account.ts";
import { upstreamA } from "../leaks/phases.ts";
import { readSeen, type Seen } from "../leaks/seen.ts";

/** What came out of the machine. */
export interface Observed {
  /** Frames that no policy of the product allows, by kind: `IPv4 TCP`. */
  readonly beside: ReadonlyMap<string, number>;
  /** Frames that it does allow. */
  readonly allowed: number;
  /** Rounds in which the sender tried everything while the link was up. */
  readonly rounds: number;
}

/** The proxy outside that carries the machine's traffic. */
export const upstream = {
  host: upstreamA[4],
  port: 7001,
  username: "lab",
  password: "lab-word-of-the-upstream",
} as const;

const policy: Policy = {
  kind: "connecting",
  upstreams: [{ address: upstream.host, protocol: "tcp", port: upstream.port }],
  allowLan: false,
};

/** Tells frames that are allowed from those that are not. */
export function nameFrames(frames: readonly Frame[]): Omit<Observed, "rounds"> {
  const beside = new Map<string, number>();
  let allowed = 0;
  for (const frame of frames.map(readSeen)) {
    const { unnamed, allowed: named } = account([frame], [], [policy]);
    if (unnamed.length > 0) beside.set(kindOf(frame), (beside.get(kindOf(frame)) ?? 0) + 1);
    allowed += named.size;
  }
  return { beside, allowed };
}

/** What kind a frame is, as the sender sends them: its own frames come from port 9. */
function kindOf({ etherType, ip }: Seen): string {
  if (!ip) return `frame of type 0x${etherType.toString(16)}`;
  if (ip.protocol === 17 && ip.sourcePort === 9) return `IPv${ip.family} frame`;
  const names: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMP" };
  return `IPv${ip.family} ${names[ip.protocol] ?? `protocol ${ip.protocol}`}`;
}
