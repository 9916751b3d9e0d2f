/** A credential that has shown its password. */
export interface GatewayCredential {
  readonly id: string;
  readonly userId: string;
}

/** Says whose user name and password these are. */
export interface CredentialVerifier {
  /**
   * The live credential of this user name when the password is its own. Answers at once from a short cache where it
   * can: most connections of a client come in bursts.
   */
  verify(
    username: string,
    password: string,
  ): GatewayCredential | undefined | Promise<GatewayCredential | undefined>;
  /** Forgets what is cached of a credential, because it was revoked or has a new password. */
  forget(credentialId: string): void;
}
