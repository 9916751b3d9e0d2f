import { type Allowance, type Rate, unlimitedAllowance, unlimitedRate } from "@atlantic/native";
import type { Identity } from "./authenticator.ts";
import type { CheckedTarget } from "./target-guard.ts";

/**
 * What holds a flow's bytes back. Every way of moving bytes takes from `allowance` and `rate` before it moves them.
 * What was taken and did not move is put back with `allowance.add`, at the latest when the flow ends: what stays taken
 * has to be in the flow's totals, charged or uncharged.
 */
export interface FlowLimits {
  /** What the account may still move; shared by all its flows in this process. */
  readonly allowance: Allowance;
  /** How fast the credential may move it; shared by all its flows in this process. */
  readonly rate: Rate;
  /** How many requests may begin: asked for each forwarded request after the flow's first. */
  readonly requests: RequestRate;
  /** Fields to put into plain HTTP requests; undefined for none. */
  readonly addedFields: AddedFields | undefined;
}

export interface RequestRate {
  /** Takes one request. `false`: this one is refused with `request_limit`. */
  take(): boolean;
  /** Whether it ever refuses, as its settings are now. */
  readonly isLimited: boolean;
}

/** Header fields of the account's own, which replace those of the same name that the client sends. */
export interface AddedFields {
  /** Their names in lower case. */
  readonly names: ReadonlySet<string>;
  /** Whole lines with CRLF, as they go into a header section. */
  readonly bytes: Buffer;
}

/** What is known of a flow when it asks to begin. */
export interface WishedFlow {
  /** The client's address. */
  readonly client: string;
  readonly host: string;
  readonly port: number;
  /** It carries datagrams to many targets: each is checked when it is named, and host and port say nothing. */
  readonly datagrams?: boolean;
}

/** Says what holds a flow's bytes back. */
export interface FlowLimitSource {
  /**
   * Asked once for each flow, before anything is resolved or dialled. Takes one request of the credential.
   * @throws ProxyError when the flow may not begin at all: nothing left (`quota_exhausted`), too many connections
   *   (`connection_limit`), too many requests (`request_limit`), a target or port that the credential may not reach
   *   (`target_not_allowed`), or a credential that ended meanwhile (`wrong_credentials`)
   */
  admit(identity: Identity, wish: WishedFlow): FlowLimits | Promise<FlowLimits>;
  /** Asked once the target's addresses are known. @throws ProxyError `target_not_allowed` */
  checkTarget(identity: Identity, target: CheckedTarget): void;
}

export const noFlowLimits: FlowLimits = {
  allowance: unlimitedAllowance,
  rate: unlimitedRate,
  requests: { take: () => true, isLimited: false },
  addedFields: undefined,
};

/** For gateways whose flows nobody pays for. */
export const unlimitedFlows: FlowLimitSource = { admit: () => noFlowLimits, checkTarget: () => {} };

/**
 * Takes bytes that are about to move from everything that holds them back: the account's allowance first, then the
 * credential's speed.
 * @returns true when they may move now; else a promise: true when they may, false when they never will
 */
export function takeFrom({ allowance, rate }: FlowLimits, bytes: number): true | Promise<boolean> {
  const granted = allowance.take(bytes);
  if (granted !== true) {
    return granted.then(async (given) => {
      if (given) await rate.take(bytes);
      return given;
    });
  }
  const passed = rate.take(bytes);
  return passed === true ? true : passed.then(() => true);
}
