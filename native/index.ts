export { type AddonState, addonState, type PeerCredentials, peerCredentials } from "./src/addon.ts";
export { type DialOptions, dialDirect } from "./src/dial-direct.ts";
export { DialError, type UpstreamRefusal } from "./src/dial-error.ts";
export { authorityOf, dialThroughConnect } from "./src/dial-through-connect.ts";
export { dialThroughSocks5 } from "./src/dial-through-socks5.ts";
export type { DialThroughOptions, ProxyEndpoint } from "./src/proxy-handshake.ts";
export { type Relay, type RelayCounters, type RelayOptions, type RelayOutcome, relay } from "./src/relay.ts";
export { descriptorOf } from "./src/socket-descriptor.ts";
