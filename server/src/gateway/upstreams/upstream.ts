import type { DialPlan } from "@atlantic/native";
import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { CheckedTarget } from "../target-guard.ts";
import type { DatagramExit } from "../udp/datagram-exit.ts";
import type { BreakerSettings } from "./upstream-health.ts";

/** A sticky session as the gateway holds it. */
export interface LiveSession {
  /** Not guessable, the same for the session's whole life: what a provider's session id is derived from. */
  readonly key: string;
  readonly lifetimeMinutes: number;
  readonly mode: "flex" | "strict" | "oneip";
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A provider's entry point, or this machine's own exits. */
export interface Upstream {
  readonly name: string;
  /**
   * The exit for a connection; undefined when this upstream has none that fits.
   * @throws ProxyError `no_exit` when it never has one, naming what it cannot choose by
   */
  choose(exit: ExitSelector, session: LiveSession | undefined): ChosenExit | undefined;
  /**
   * Looks whether it can be reached at all, asking nothing of it; undefined where there is nothing to reach.
   * @throws when it cannot
   */
  probe?(): Promise<void>;
  /** When it is left alone after failures. Default: `DEFAULT_BREAKER`. */
  readonly breaker?: BreakerSettings;
  /** The places it offers, for the list of exits. */
  readonly places: readonly ExitPlace[];
}

export interface ExitPlace {
  /** Country and city, as in `de-berlin`. */
  readonly id: string;
  readonly country: string;
  readonly continent?: string;
  readonly region: string | null;
  readonly city: string | null;
  /** For people. */
  readonly label: string;
  readonly network: "residential" | "datacenter" | "mobile" | "demonstration";
  readonly servers: number;
}

/** An exit, ready to dial. */
export interface ChosenExit {
  /** The upstream's name. */
  readonly upstream: string;
  readonly country: string | null;
  readonly city: string | null;
  readonly label: string | null;
  /** Where sites see it come from; null when the upstream does not tell. */
  readonly address: string | null;
  /** Connections of one credential with the same key may be used for one another's requests. */
  readonly key: string;
  /** How often a session without traffic must be used, or its address is lost, in milliseconds. */
  readonly keepAliveMs?: number;
  /** How this exit reaches a target. @throws ProxyError */
  plan(target: CheckedTarget): DialPlan | Promise<DialPlan>;
  /** How it carries datagrams; undefined where it does not. */
  readonly datagrams?: DatagramExit;
  /** What went wrong, in our words: whose fault it was decides what is tried next. */
  explain(error: unknown): ProxyError;
}
