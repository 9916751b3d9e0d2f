import { betterAuth } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import { twoFactor } from "better-auth/plugins/two-factor";
import type { Kysely } from "kysely";
import type { Cache } from "../cache/cache.ts";
import type { Schema } from "../db/schema.ts";
import { grantAllowance } from "../services/allowance.ts";
import { type AuditAction, AuditLog, type AuditSource } from "../services/audit-log.ts";
import { hashPassword, PASSWORD_LENGTH, verifyPassword } from "./password-hash.ts";
import { createRateLimitStorage } from "./rate-limits.ts";
import { setFirstPassword } from "./set-password.ts";
import { signInOnce } from "./sign-in-once.ts";

/** Where the auth library's routes are. */
export const AUTH_PATH = "/api/auth";

/** Carries the client's address from our own HTTP server to the auth library; a client's own is thrown away. */
export const CLIENT_ADDRESS_HEADER = "x-atlantic-client-address";

const DAY_SECONDS = 24 * 60 * 60;

/** What the auth library is built on. */
export interface AuthParts {
  readonly db: Kysely<Schema>;
  readonly cache: Cache;
  readonly secret: string;
  /** The web page's address: whether it is https decides about the cookie. */
  readonly webUrl: string;
  readonly signUp: { readonly open: boolean; readonly allowanceBytes: bigint };
  /** Called when a session has ended or an account has changed. */
  readonly onSessionsChanged: () => void;
  /** Told of what the library itself would print. */
  readonly log: (level: "debug" | "info" | "warn" | "error", message: string) => void;
}

export type Auth = ReturnType<typeof createAuth>;

/** Accounts, passwords and sessions, by better-auth, with what its defaults leave open set (docs/decisions). */
export function createAuth(parts: AuthParts) {
  const secure = parts.webUrl.startsWith("https://");
  return betterAuth({
    appName: "Atlantic Proxy",
    baseURL: parts.webUrl,
    basePath: AUTH_PATH,
    secret: parts.secret,
    database: { db: parts.db, type: "postgres", transaction: true },
    telemetry: { enabled: false },
    logger: { log: (level, message) => parts.log(level, message) },
    trustedOrigins: (request) => [ownOrigin(request, secure)],
    emailAndPassword: {
      enabled: true,
      minPasswordLength: PASSWORD_LENGTH.min,
      maxPasswordLength: PASSWORD_LENGTH.max,
      revokeSessionsOnPasswordReset: true,
      password: { hash: hashPassword, verify: verifyPassword },
    },
    session: { expiresIn: 7 * DAY_SECONDS, updateAge: DAY_SECONDS, freshAge: 10 * 60 },
    verification: { storeIdentifier: "hashed" },
    disabledPaths: parts.signUp.open ? [] : ["/sign-up/email"],
    rateLimit: {
      enabled: true,
      window: 10,
      max: 100,
      customRules: { "/get-session": false },
      customStorage: createRateLimitStorage(parts.cache),
    },
    advanced: {
      cookies: sessionCookie(secure),
      cookiePrefix: "atlantic",
      // The prefix is in the name already: __Host- is stricter than the library's own __Secure-.
      useSecureCookies: false,
      defaultCookieAttributes: { secure, httpOnly: true, sameSite: "lax", path: "/" },
      ipAddress: { ipAddressHeaders: [CLIENT_ADDRESS_HEADER] },
    },
    plugins: [twoFactor({ issuer: "Atlantic Proxy" }), signInOnce(), setFirstPassword()],
    databaseHooks: accountHooks(parts),
    hooks: { after: refusedSignIns(parts) },
  });
}

/** `__Host-` binds the cookie to this very host; browsers take it over https only. */
function sessionCookie(secure: boolean) {
  const name = (plain: string) => ({ name: `${secure ? "__Host-" : ""}atlantic.${plain}` });
  return {
    session_token: name("session_token"),
    session_data: name("session_data"),
    dont_remember: name("dont_remember"),
  };
}

/** The origin under which the browser itself reached us: cookies are bound to the host, so no other may send them. */
function ownOrigin(request: Request | undefined, secure: boolean): string | null {
  const host = request?.headers.get("host");
  return host ? `${secure ? "https" : "http"}://${host}` : null;
}

function accountHooks({ db, signUp, onSessionsChanged }: AuthParts) {
  const forget = async () => onSessionsChanged();
  return {
    user: {
      create: {
        after: async (user: { id: string }, context: HookContext) => {
          await grantAllowance(db, user.id, signUp.allowanceBytes);
          await record(db, "account.created", sourceOf(context, user.id));
        },
      },
      update: { after: forget },
      delete: { after: forget },
    },
    account: {
      create: {
        after: async ({ userId }: { userId: string }, context: HookContext) => {
          // An account opened with a password is told of as a whole.
          if (context?.path === "/set-password") {
            await record(db, "account.password_set", sourceOf(context, userId));
          }
        },
      },
      update: {
        after: async ({ userId }: { userId: string }, context: HookContext) =>
          record(db, "account.password_set", sourceOf(context, userId)),
      },
    },
    session: {
      update: { after: forget },
      create: {
        after: async (session: { userId: string }, context: HookContext) =>
          record(db, "account.signed_in", sourceOf(context, session.userId)),
      },
      delete: {
        after: async (session: { userId: string }, context: HookContext) => {
          onSessionsChanged();
          await record(db, "account.signed_out", sourceOf(context, session.userId));
        },
      },
    },
  };
}

function refusedSignIns({ db }: AuthParts) {
  return createAuthMiddleware(async (context) => {
    const refused = context.context.returned instanceof Error;
    if (refused && context.path.startsWith("/sign-in/")) {
      await record(db, "account.sign_in_refused", sourceOf(context, null));
    }
  });
}

type HookContext = { headers?: Headers | undefined; path?: string | undefined } | null | undefined;

function sourceOf(context: HookContext, userId: string | null): AuditSource {
  return {
    userId,
    address: context?.headers?.get(CLIENT_ADDRESS_HEADER) ?? null,
    userAgent: context?.headers?.get("user-agent") ?? null,
    requestId: context?.headers?.get("x-request-id") ?? null,
  };
}

async function record(db: Kysely<Schema>, action: AuditAction, source: AuditSource): Promise<void> {
  await db
    .transaction()
    .execute((transaction) => new AuditLog().record(transaction, source, action, source.userId, {}));
}
