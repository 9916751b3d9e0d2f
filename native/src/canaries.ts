import { getSystemErrorName } from "node:util";
import { nativeAddon } from "./addon.ts";

/** A packet without a mark that a firewall should refuse. */
export interface Canary {
  /** raw: a frame handed to the link itself, past the machine's IP layer. */
  readonly kind: "tcp" | "udp" | "raw";
  /** A literal address where nobody answers. */
  readonly address: string;
  readonly port: number;
}

export interface CanaryOutcome {
  /** It was seen leaving the link. */
  readonly escaped: boolean;
  /** Why it could not be sent, as in `EPERM`; null when it was handed over. */
  readonly refusal: string | null;
}

/**
 * Sends canaries, bound to one link, and watches that link for what really leaves it.
 * @throws Error when the link cannot be watched (CAP_NET_RAW), or is not there: then nothing is known
 */
export async function sendCanaries(
  link: string,
  canaries: readonly Canary[],
  waitMs: number,
): Promise<CanaryOutcome[]> {
  const addon = nativeAddon();
  if (addon === null)
    throw new Error("Without the native addon no link can be watched: npm run build:native.");
  const outcomes = await addon.sendCanaries(link, [...canaries], waitMs);
  return outcomes.map(({ escaped, errno }) => ({
    escaped,
    refusal: errno === 0 ? null : getSystemErrorName(-errno),
  }));
}
