/** OWASP's first choice of argon2id: 19 MiB, two passes, one lane. The settings are in each hash. */
const SETTINGS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** The shortest and longest password that is taken; what it is made of is nobody's business (ASVS V6.2). */
export const PASSWORD_LENGTH = { min: 12, max: 256 } as const;

/** Hashes a password of a person for storage, as a PHC string. */
export async function hashPassword(password: string): Promise<string> {
  const { hash } = await import("@node-rs/argon2");
  return hash(password, SETTINGS);
}

/** Whether the password is the one that was hashed; false too for a hash that cannot be read. */
export async function verifyPassword(wanted: { hash: string; password: string }): Promise<boolean> {
  const { verify } = await import("@node-rs/argon2");
  return verify(wanted.hash, wanted.password).catch(() => false);
}
