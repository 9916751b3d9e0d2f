import type { ExitSession } from "../selector.ts";

/**
 * A session as a provider is told of it: `id` is derived for that provider from our customer's session,
 * stable and not guessable, so that two customers never share one. Letters and digits only.
 */
export type ProviderSession = ExitSession;

/** The account at a provider. */
export interface ProviderAccount {
  readonly username: string;
  readonly password: string;
}

/** What is shown to a provider for one connection. */
export interface ProviderLogin {
  readonly username: string;
  readonly password: string;
}
