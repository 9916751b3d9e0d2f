import type { LiveGateway } from "../live-gateway.ts";

/** A gateway that has nothing open and knows nothing. */
export const noGateway: LiveGateway = {
  countOpen: () => 0,
  disconnect: () => false,
  disconnectCredential: () => 0,
  peekSession: () => undefined,
  onUsage: () => () => {},
};
