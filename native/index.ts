export {
  addonState,
  nativeAddon,
  type PeerCredentials,
  peerCredentials,
  tellServiceManager,
} from "./src/addon.ts";
export { type Allowance, type AllowanceEvents, LocalAllowance, unlimitedAllowance } from "./src/allowance.ts";
export { type Canary, type CanaryOutcome, sendCanaries } from "./src/canaries.ts";
export { isBare } from "./src/descriptor-relay.ts";
export { dialDirect } from "./src/dial-direct.ts";
export { DialError } from "./src/dial-error.ts";
export {
  askProxy,
  type DialPlan,
  type DialPlanOptions,
  dialPlan,
  openPlan,
  type PlannedProxy,
} from "./src/dial-plan.ts";
export { authorityOf, dialThroughConnect } from "./src/dial-through-connect.ts";
export {
  associateThroughSocks5,
  dialThroughSocks5,
  type SocksAssociation,
} from "./src/dial-through-socks5.ts";
export { type NativeDns, nativeDns, type WaitingPacket } from "./src/dns-addon.ts";
export {
  type CarriedClientListener,
  CarriedConnection,
  type CarriedTotals,
  NOBODY,
} from "./src/engine/carried-connection.ts";
export {
  type CarrierDiverter,
  type CarrierDoor,
  CarrierEngine,
  carrierEngine,
  handleOfAllowance,
  handleOfRate,
} from "./src/engine/engine.ts";
export {
  type ForwardBack,
  type ForwardEnd,
  ForwardedConnection,
  type ForwardTotals,
  type HalfDoneExchange,
} from "./src/engine/forwarded-connection.ts";
export { isNativePlan } from "./src/engine/native-plan.ts";
export type { CarrierOutcome } from "./src/engine/protocol.ts";
export type { StandingReply } from "./src/engine/standing.ts";
export { createAllowance, createRate } from "./src/limits.ts";
export type { DialThroughOptions, ProxyEndpoint } from "./src/proxy-handshake.ts";
export { LocalRate, type Rate, unlimitedRate } from "./src/rate.ts";
export { type RelayOutcome, relay } from "./src/relay.ts";
export { descriptorOf } from "./src/socket-descriptor.ts";
export { associateThroughPlan } from "./src/tunnel/associate.ts";
export {
  type AssociationId,
  TunnelDevice,
} from "./src/tunnel/device.ts";
