export {
  type AddonState,
  addonState,
  nativeAddon,
  type PeerCredentials,
  peerCredentials,
} from "./src/addon.ts";
export { type Allowance, type AllowanceEvents, LocalAllowance, unlimitedAllowance } from "./src/allowance.ts";
export { type Canary, type CanaryOutcome, sendCanaries } from "./src/canaries.ts";
export { isBare } from "./src/descriptor-relay.ts";
export { type DialOptions, dialDirect } from "./src/dial-direct.ts";
export { DialError, type DialStage, type UpstreamRefusal } from "./src/dial-error.ts";
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
  type CarryOptions,
} from "./src/engine/carried-connection.ts";
export {
  type CarrierDiverter,
  type CarrierDivertOptions,
  type CarrierDoor,
  CarrierEngine,
  type CarrierListener,
  type CarrierListenOptions,
  carrierEngine,
  handleOfAllowance,
  handleOfRate,
  type StandingConnect,
} from "./src/engine/engine.ts";
export {
  type ForwardBack,
  type ForwardEnd,
  ForwardedConnection,
  type ForwardOrder,
  type ForwardTotals,
  type HalfDoneExchange,
} from "./src/engine/forwarded-connection.ts";
export { isNativePlan } from "./src/engine/native-plan.ts";
export type { CarrierOutcome } from "./src/engine/protocol.ts";
export type { RelayLimits } from "./src/gate.ts";
export { createAllowance, createRate } from "./src/limits.ts";
export type { DialThroughOptions, ProxyEndpoint } from "./src/proxy-handshake.ts";
export { LocalRate, type Rate, unlimitedRate } from "./src/rate.ts";
export { type Relay, type RelayCounters, type RelayOptions, type RelayOutcome, relay } from "./src/relay.ts";
export { descriptorOf } from "./src/socket-descriptor.ts";
export { associateThroughPlan } from "./src/tunnel/associate.ts";
export {
  type AssociationId,
  type DeviceCounters,
  type DeviceListener,
  TunnelDevice,
} from "./src/tunnel/device.ts";
