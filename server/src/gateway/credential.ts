import type { CredentialSettings } from "./limits/credential-settings.ts";

/**
 * A credential that has shown who it is. The object stays the same for as long as the credential is known: its settings
 * change under whoever holds it.
 */
export interface GatewayCredential {
  readonly id: string;
  readonly userId: string;
  /** undefined: nothing is limited. */
  readonly settings?: CredentialSettings;
  /** It was revoked or got another password since: whoever still holds it lets nothing begin with it. */
  readonly ended?: boolean;
}

/** Says whose user name and password these are. */
export interface CredentialVerifier {
  /**
   * The live credential of this user name when the password is its own, and, where its owner asks for that, the
   * client's address is listed. Answers at once from a short cache where it can: most connections of a client come in
   * bursts.
   *
   * @param client the client's address; undefined where it is not known: then the password is asked for in any case
   */
  verify(
    username: string,
    password: string,
    client?: string,
  ): GatewayCredential | undefined | Promise<GatewayCredential | undefined>;
  /** The one live credential whose address list alone lets this client in without a user name. */
  byAddress?(client: string): GatewayCredential | undefined | Promise<GatewayCredential | undefined>;
  /** What is wrong with stored address lists that would let strangers in, for people. */
  openings?(): Promise<readonly string[]>;
  /** Forgets what is cached of a credential, because it was revoked or has a new password. */
  forget(credentialId: string): void;
}
