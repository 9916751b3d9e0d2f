import { Socket } from "node:net";
import {
  type CarriedConnection,
  type CarrierDiverter,
  carrierEngine,
  type DialError,
  isNativePlan,
} from "@atlantic/native";
import { ClearError } from "../clear-error.ts";
import type { TunnelTarget } from "../upstream/exit-upstream.ts";
import { FAKE_RANGES } from "./fake-addresses.ts";
import { type Leg, relayLeg } from "./relay-leg.ts";
import { RemoteLeg } from "./remote-leg.ts";
import type { TunnelCounters, TunnelUpstream } from "./tunnel.ts";
import { isSameUpstream, planThrough } from "./upstream-plan.ts";

export interface TcpFlowOptions {
  readonly mark: number;
  readonly holdMs: number;
  /** The name or address that is dialled for an address; undefined: nothing is. */
  readonly hostOf: (address: string) => string | undefined;
  readonly onDialFailed: (upstream: TunnelUpstream, error: DialError) => void;
}

/** More do not wait for an upstream: they are refused at once. */
const MAX_HELD = 4_096;
const CONNECT_MS = 15_000;
/** How long a flow whose upstream cannot be reached waits for another one. */
const RETRY_MS = 1_500;
/** Interactive sessions are silent for hours; whether the other side is still there, keep-alive tells. */
const IDLE_MS = 24 * 3_600_000;
const HALF_OPEN_IDLE_MS = 600_000;
const times = { connectMs: CONNECT_MS, idleMs: IDLE_MS, halfOpenIdleMs: HALF_OPEN_IDLE_MS };
const NOTHING: Buffer = Buffer.alloc(0);
const ANY_TARGET = { host: "0.0.0.0", port: 0 };

interface Flow {
  readonly connection: CarriedConnection;
  readonly target: TunnelTarget;
  state: "held" | "dialling" | "carried";
  upstream: TunnelUpstream | null;
  /** A leg that is relayed here: through TLS or HTTP/2. */
  leg: Leg | undefined;
  /** While it is held: a dial that is still under way may come about. */
  keep: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * TCP flows that the firewall redirects here: native code carries them where it can, by a decision for all flows to
 * addresses as they are, or by one for each.
 */
export class TcpFlows {
  readonly port: number;
  readonly #options: TcpFlowOptions;
  readonly #listener: CarrierDiverter;
  readonly #flows = new Set<Flow>();
  #upstream: TunnelUpstream | null = null;
  #keep = false;
  /** What flows may be carried through without having been asked about, by the number that they tell. */
  readonly #standing = new Map<number, TunnelUpstream>();
  #standings = 0;
  #remote: RemoteLeg | undefined;
  #held = 0;

  /** @throws ClearError without the addon; the listen error */
  constructor(options: TcpFlowOptions) {
    const engine = carrierEngine();
    if (engine === null) {
      throw new ClearError("The tunnel needs the native addon. Run npm run build:native.");
    }
    this.#options = options;
    this.#listener = engine.divert({
      // Both families; who is not redirected here is reset.
      host: "::",
      port: 0,
      onFlow: (connection, target, standing) => this.#begin(connection, target, standing),
    });
    this.port = this.#listener.port;
  }

  /** See `Tunnel.use`. */
  use(upstream: TunnelUpstream | null, keep: boolean): void {
    const before = this.#upstream;
    this.#upstream = upstream;
    this.#keep = keep;
    if (!isSameUpstream(before, upstream)) {
      this.#remote?.close({ keep });
      this.#remote = upstream ? new RemoteLeg(upstream, this.#options.mark) : undefined;
      this.#stand(upstream);
    }
    for (const flow of this.#flows) this.#follow(flow);
  }

  /** Has the flow go the way that is now. */
  #follow(flow: Flow): void {
    const upstream = this.#upstream;
    if (flow.state === "carried") {
      if (!this.#keep && !isSameUpstream(flow.upstream, upstream)) this.#cut(flow);
    } else if (upstream === null) {
      flow.keep = this.#keep;
      this.#hold(flow);
    } else if (flow.state === "held" || !isSameUpstream(flow.upstream, upstream))
      this.#dial(flow, upstream, this.#keep);
  }

  /** Decides for flows that begin from now on. */
  #stand(upstream: TunnelUpstream | null): void {
    const plan = upstream && planThrough(upstream, ANY_TARGET, this.#options.mark);
    if (upstream?.protocol === "h2" || !plan || !isNativePlan(plan)) {
      this.#listener.stand(null);
      return;
    }
    this.#standings += 1;
    this.#standing.set(this.#standings, upstream);
    this.#listener.stand({ ...times, number: this.#standings, plan, excepted: FAKE_RANGES });
  }

  /** The upstream of a flow that is carried already. It is shown in order: earlier numbers come no more. */
  #standingUpstream(number: number): TunnelUpstream | undefined {
    for (const each of this.#standing.keys()) if (each < number) this.#standing.delete(each);
    return this.#standing.get(number);
  }

  counters(): Pick<TunnelCounters, "openFlows" | "heldFlows"> {
    return { openFlows: this.#flows.size, heldFlows: this.#held };
  }

  /** Resets everything. */
  close(): void {
    this.#listener.stop();
    for (const flow of this.#flows) this.#cut(flow);
    this.#remote?.close({ keep: false });
  }

  #begin(
    connection: CarriedConnection,
    { address, port }: { readonly address: string; readonly port: number },
    standing: number,
  ): void {
    const host = this.#options.hostOf(address);
    const begun = standing === 0 ? null : this.#standingUpstream(standing);
    if (host === undefined || begun === undefined) {
      connection.cut();
      return;
    }
    const flow: Flow = {
      connection,
      target: { host, port },
      state: "dialling",
      upstream: begun,
      leg: undefined,
      keep: false,
      timer: undefined,
    };
    this.#flows.add(flow);
    connection.listen({
      onData: () => {},
      onDialled: () => {
        const isLeft = flow.state === "held" && !flow.keep;
        this.#release(flow);
        flow.state = "carried";
        // Its upstream was left while nobody here knew that it was open.
        if (isLeft) this.#cut(flow);
      },
      onFailed: (error) => this.#failed(flow, error),
      onTaken: (fd) => this.#taken(flow, fd),
      onClosed: () => this.#over(flow),
    });
    if (begun) connection.isCarriedBy(planThrough(begun, flow.target, this.#options.mark));
    this.#follow(flow);
  }

  #hold(flow: Flow, ms = this.#options.holdMs): void {
    if (flow.state === "held") return;
    if (this.#held >= MAX_HELD || flow.leg) {
      this.#cut(flow);
      return;
    }
    flow.state = "held";
    this.#held += 1;
    flow.timer = setTimeout(() => this.#cut(flow), ms);
  }

  #release(flow: Flow): void {
    if (flow.state !== "held") return;
    this.#held -= 1;
    clearTimeout(flow.timer);
    flow.state = "dialling";
  }

  #dial(flow: Flow, upstream: TunnelUpstream, keepIfOpen = false): void {
    this.#release(flow);
    flow.upstream = upstream;
    const plan = planThrough(upstream, flow.target, this.#options.mark);
    if (upstream.protocol !== "h2" && isNativePlan(plan)) {
      flow.connection.carry(plan, {
        reply: NOTHING,
        replyEndsInAddress: false,
        keepIfOpen,
        early: NOTHING,
        ...times,
        allowance: 0,
        rate: 0,
      });
    } else flow.connection.take();
  }

  /** This leg cannot be spliced: its bytes pass through here. */
  #taken(flow: Flow, fd: number): void {
    const client = new Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
    client.pause();
    client.on("error", () => {});
    const remote = this.#remote;
    if (remote === undefined || !this.#flows.has(flow)) {
      client.resetAndDestroy();
      this.#over(flow);
      return;
    }
    flow.leg = relayLeg(client, (signal) => remote.open(flow.target, signal, CONNECT_MS), {
      idleMs: IDLE_MS,
      halfOpenIdleMs: HALF_OPEN_IDLE_MS,
      onDialled: () => {
        flow.state = "carried";
      },
      onFailed: (error) => {
        if (flow.upstream) this.#options.onDialFailed(flow.upstream, error);
      },
      onClosed: () => this.#over(flow),
    });
  }

  #failed(flow: Flow, error: DialError): void {
    if (flow.upstream) this.#options.onDialFailed(flow.upstream, error);
    if (flow.state === "held") return;
    // Nothing was said yet: if another upstream takes its place now, the client notices nothing.
    if (error.stage === "reach" && this.#flows.has(flow)) this.#hold(flow, RETRY_MS);
    else this.#cut(flow);
  }

  #cut(flow: Flow): void {
    this.#release(flow);
    if (flow.leg) flow.leg.abandon();
    else flow.connection.cut();
  }

  #over(flow: Flow): void {
    this.#release(flow);
    this.#flows.delete(flow);
  }
}
