import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";

/** How a sticky session is now. */
export interface SessionState {
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** The upstream that it stays with; undefined until one has carried something for it. */
  readonly upstream?: string | undefined;
  /** Its address is gone, and it may not have another. */
  readonly lost: boolean;
}

/** What services need of a running gateway, in this process or in others. */
export interface LiveGateway {
  /** How many connections an account has open now. */
  readonly countOpen: (userId: string) => number | Promise<number>;
  /** Ends one connection; false when there is no such connection open. */
  readonly disconnect: (connectionId: string) => boolean | Promise<boolean>;
  /** Ends the connections of a credential and forgets what is cached of it; how many were ended. */
  readonly disconnectCredential: (credentialId: string) => number;
  /** How the session is that a user name asks for, without beginning it; undefined when none is known. */
  readonly peekSession: (
    credentialId: string,
    username: GatewayUsername,
  ) => SessionState | undefined | Promise<SessionState | undefined>;
  /** Calls the listener after usage of an account was stored; the returned function stops that. */
  readonly onUsage: (listener: (userId: string) => void) => () => void;
}
