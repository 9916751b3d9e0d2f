import type { Duplex } from "node:stream";
import { dialPlan } from "@atlantic/native";
import type { TunnelTarget } from "../upstream/exit-upstream.ts";
import { Http2Tunnels } from "./http2-tunnels.ts";
import type { TunnelUpstream } from "./tunnel.ts";
import { planThrough } from "./upstream-plan.ts";

/** Connections of this process through an upstream, by sockets that carry the mark, over TLS or HTTP/2 too. */
export class RemoteLeg {
  readonly #upstream: TunnelUpstream;
  readonly #mark: number;
  readonly #http2: Http2Tunnels | undefined;

  constructor(upstream: TunnelUpstream, mark: number) {
    this.#upstream = upstream;
    this.#mark = mark;
    this.#http2 = upstream.protocol === "h2" ? new Http2Tunnels(upstream, mark) : undefined;
  }

  /** A stream that speaks with the target from its first byte, paused. @throws DialError */
  open(target: TunnelTarget, signal: AbortSignal, timeoutMs: number): Promise<Duplex> {
    if (this.#http2) return this.#http2.open(target, signal, timeoutMs);
    return dialPlan(planThrough(this.#upstream, target, this.#mark), { signal, timeoutMs });
  }

  /** `keep`: streams that are open stay until they end. */
  close({ keep }: { keep: boolean }): void {
    this.#http2?.close({ keep });
  }
}
