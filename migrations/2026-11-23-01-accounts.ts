import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * The tables of better-auth (with its two-factor plugin), in its own spelling: camel-case columns, text ids.
 * A test asks better-auth whether it would add anything to them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table "user" (
      "id" text primary key,
      "name" text not null,
      "email" text not null unique,
      "emailVerified" boolean not null default false,
      "image" text,
      "createdAt" timestamptz not null default current_timestamp,
      "updatedAt" timestamptz not null default current_timestamp,
      "twoFactorEnabled" boolean default false
    )`,
    sql`create table "session" (
      "id" text primary key,
      "expiresAt" timestamptz not null,
      "token" text not null unique,
      "createdAt" timestamptz not null default current_timestamp,
      "updatedAt" timestamptz not null default current_timestamp,
      "ipAddress" text,
      "userAgent" text,
      "userId" text not null references "user" ("id") on delete cascade
    )`,
    sql`create index "session_userId_idx" on "session" ("userId")`,
    sql`create index "session_expiresAt_idx" on "session" ("expiresAt")`,
    sql`create table "account" (
      "id" text primary key,
      "accountId" text not null,
      "providerId" text not null,
      "userId" text not null references "user" ("id") on delete cascade,
      "accessToken" text,
      "refreshToken" text,
      "idToken" text,
      "accessTokenExpiresAt" timestamptz,
      "refreshTokenExpiresAt" timestamptz,
      "scope" text,
      "password" text,
      "createdAt" timestamptz not null default current_timestamp,
      "updatedAt" timestamptz not null default current_timestamp
    )`,
    sql`create index "account_userId_idx" on "account" ("userId")`,
    sql`create table "verification" (
      "id" text primary key,
      "identifier" text not null,
      "value" text not null,
      "expiresAt" timestamptz not null,
      "createdAt" timestamptz not null default current_timestamp,
      "updatedAt" timestamptz not null default current_timestamp
    )`,
    sql`create index "verification_identifier_idx" on "verification" ("identifier")`,
    sql`create index "verification_expiresAt_idx" on "verification" ("expiresAt")`,
    sql`create table "twoFactor" (
      "id" text primary key,
      "secret" text not null,
      "backupCodes" text not null,
      "userId" text not null references "user" ("id") on delete cascade,
      "verified" boolean default true,
      "failedVerificationCount" integer default 0,
      "lockedUntil" timestamptz
    )`,
    sql`create index "twoFactor_secret_idx" on "twoFactor" ("secret")`,
    sql`create index "twoFactor_userId_idx" on "twoFactor" ("userId")`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop table "twoFactor"`,
    sql`drop table "verification"`,
    sql`drop table "account"`,
    sql`drop table "session"`,
    sql`drop table "user"`,
  ]);
}
