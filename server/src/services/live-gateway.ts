/** What services need of a running gateway, in this process or in others. */
export interface LiveGateway {
  /** How many connections an account has open now. */
  readonly countOpen: (userId: string) => number | Promise<number>;
  /** Ends one connection; false when there is no such connection open. */
  readonly disconnect: (connectionId: string) => boolean | Promise<boolean>;
  /** Ends the connections of a credential and forgets what is cached of it; how many were ended. */
  readonly disconnectCredential: (credentialId: string) => number;
  /** Calls the listener after usage of an account was stored; the returned function stops that. */
  readonly onUsage: (listener: (userId: string) => void) => () => void;
}

/** The gateway of a process that runs none. */
export const noGateway: LiveGateway = {
  countOpen: () => 0,
  disconnect: () => false,
  disconnectCredential: () => 0,
  onUsage: () => () => {},
};
