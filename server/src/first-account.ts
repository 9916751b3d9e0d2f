import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { z } from "zod";
import type { Auth } from "./auth/auth.ts";
import { verifyPassword } from "./auth/password-hash.ts";
import { createSignInToken } from "./auth/sign-in-once.ts";
import type { Schema } from "./db/schema.ts";
import { grantAllowance } from "./services/allowance.ts";
import { isPassword } from "./services/credential-secret.ts";
import { insertCredential } from "./services/credentials.ts";

const EMAIL = "owner@atlantic.local";
const ALLOWANCE_BYTES = 10_000_000_000n;

const fileSchema = z.object({
  userId: z.string(),
  email: z.string(),
  /** Of an earlier version: one that nobody was ever shown. */
  password: z.string().nullish(),
  credential: z.object({ username: z.string(), password: z.string() }),
});
type FirstAccountFile = z.infer<typeof fileSchema>;

interface Parts {
  readonly db: Kysely<Schema>;
  readonly auth: Auth;
  readonly credentialKey: Uint8Array;
  /** The server's directory. */
  readonly directory: string;
}

/** What a newcomer needs to begin. */
export interface FirstAccount {
  readonly userId: string;
  /** Null when the credential was rotated or revoked since. */
  readonly credential: { readonly username: string; readonly password: string } | null;
  /** Signs the first account in once, within 15 minutes. */
  readonly signInToken: string;
}

/**
 * Makes the first account and a gateway credential when there is no account yet, and keeps both in
 * `first-account.json` (0600), so that later starts can show them again.
 *
 * @returns null when the accounts there are were made in another way.
 */
export async function openFirstAccount(parts: Parts): Promise<FirstAccount | null> {
  const account = (await knownAccount(parts)) ?? (await establishAccount(parts));
  if (account === null) return null;
  const { internalAdapter } = await parts.auth.$context;
  return {
    userId: account.userId,
    credential: await liveCredential(parts, account.credential),
    signInToken: await createSignInToken(internalAdapter, account.userId),
  };
}

async function knownAccount(parts: Parts): Promise<FirstAccountFile | null> {
  const { db, directory } = parts;
  const account = await readFile(fileIn(directory), "utf8")
    .then((text) => fileSchema.parse(JSON.parse(text)))
    // Missing, or spoilt: it is established anew.
    .catch(() => null);
  if (account === null) return null;
  const user = await db.selectFrom("user").select("id").where("id", "=", account.userId).executeTakeFirst();
  if (user === undefined) return null;
  if (account.password) await forgetUnshownPassword(parts, account.userId, account.password);
  return account;
}

/** Without it the owner can set one; with it they would be asked for a password that they never saw. */
async function forgetUnshownPassword({ db }: Parts, userId: string, password: string): Promise<void> {
  const passwords = db.selectFrom("account").select(["id", "password"]).where("userId", "=", userId);
  for (const { id, password: hash } of await passwords.execute()) {
    if (hash !== null && (await verifyPassword({ hash, password }))) {
      await db.deleteFrom("account").where("id", "=", id).execute();
    }
  }
}

/** Takes up where an earlier start may have been cut off: the account can be there without its file. */
async function establishAccount(parts: Parts): Promise<FirstAccountFile | null> {
  const { db, credentialKey: key, directory } = parts;
  const found = await db.selectFrom("user").select("id").where("email", "=", EMAIL).executeTakeFirst();
  if (found === undefined && (await hasUsers(db))) return null;
  const userId = found?.id ?? (await createAccount(parts));
  await grantAllowance(db, userId, ALLOWANCE_BYTES);
  const issued = await insertCredential(db, { userId, label: "First credential", key });
  const credential = { username: issued.credential.username, password: issued.password };
  const account: FirstAccountFile = { userId, email: EMAIL, credential };
  await writeWhole(fileIn(directory), JSON.stringify(account, null, 2));
  return account;
}

/** Without a password: its owner comes by the one-time link and sets one. */
async function createAccount({ auth }: Parts): Promise<string> {
  const { internalAdapter } = await auth.$context;
  const user = await internalAdapter.createUser(
    { email: EMAIL, name: "Owner", emailVerified: true },
    { method: "first-account" },
  );
  return user.id;
}

async function hasUsers(db: Kysely<Schema>): Promise<boolean> {
  return (await db.selectFrom("user").select("id").limit(1).executeTakeFirst()) !== undefined;
}

async function liveCredential(
  { db, credentialKey }: Parts,
  kept: FirstAccountFile["credential"],
): Promise<FirstAccount["credential"]> {
  const row = await db
    .selectFrom("proxy_credentials")
    .select("password_hmac")
    .where("username", "=", kept.username)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return row !== undefined && isPassword(credentialKey, kept.password, row.password_hmac) ? kept : null;
}

function fileIn(directory: string): string {
  return join(directory, "first-account.json");
}

/** A reader sees the old file or the new one, never a part. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}
