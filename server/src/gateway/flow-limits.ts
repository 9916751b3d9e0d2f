import { type Allowance, type Rate, unlimitedAllowance, unlimitedRate } from "@atlantic/native";
import type { Identity } from "./authenticator.ts";

/** What holds a flow's bytes back. Every way of moving bytes takes from both before it moves them. */
export interface FlowLimits {
  /** What the account may still move; shared by all its flows in this process. */
  readonly allowance: Allowance;
  /** How fast the credential may move it; shared by all its flows in this process. */
  readonly rate: Rate;
}

/** Says what holds a flow's bytes back. */
export interface FlowLimitSource {
  /** @throws ProxyError when the flow may not begin at all: nothing left, too many connections, too many requests */
  admit(identity: Identity): FlowLimits | Promise<FlowLimits>;
}

export const noFlowLimits: FlowLimits = { allowance: unlimitedAllowance, rate: unlimitedRate };
