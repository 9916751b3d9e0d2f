import type { BetterAuthPlugin } from "better-auth";
import { APIError, createAuthEndpoint, sensitiveSessionMiddleware } from "better-auth/api";
import { z } from "zod";
import { PASSWORD_LENGTH } from "./password-hash.ts";

/**
 * POST /api/auth/set-password `{ "newPassword": … }`: gives an account that has no password its first one, in a
 * session of it. The library itself has no route for that. An account that has a password changes it with
 * /change-password, which asks for the one it has.
 */
export function setFirstPassword() {
  return {
    id: "set-first-password",
    endpoints: {
      setFirstPassword: createAuthEndpoint(
        "/set-password",
        { method: "POST", body: z.object({ newPassword: z.string() }), use: [sensitiveSessionMiddleware] },
        async (context) => {
          const { internalAdapter, password, session } = context.context;
          const { newPassword } = context.body;
          if (newPassword.length < PASSWORD_LENGTH.min) throw refusal("PASSWORD_TOO_SHORT");
          if (newPassword.length > PASSWORD_LENGTH.max) throw refusal("PASSWORD_TOO_LONG");
          const userId = session.user.id;
          if (await internalAdapter.findCredentialAccount(userId)) throw refusal("PASSWORD_ALREADY_SET");
          const hash = await password.hash(newPassword);
          const credential = { userId, providerId: "credential", accountId: userId, password: hash };
          await internalAdapter.linkAccount(credential).catch(async (cause: unknown) => {
            // The database takes one: another request may have been sooner by a moment.
            if (await internalAdapter.findCredentialAccount(userId)) throw refusal("PASSWORD_ALREADY_SET");
            throw cause;
          });
          return context.json({ status: true });
        },
      ),
    },
    rateLimit: [{ pathMatcher: (path) => path === "/set-password", window: 10, max: 10 }],
  } satisfies BetterAuthPlugin;
}

const sentences = {
  PASSWORD_TOO_SHORT: `Use at least ${PASSWORD_LENGTH.min} characters.`,
  PASSWORD_TOO_LONG: `Use at most ${PASSWORD_LENGTH.max} characters.`,
  PASSWORD_ALREADY_SET: "This account has a password. Change it instead, with the one it has.",
} as const;

function refusal(code: keyof typeof sentences): APIError {
  return new APIError("BAD_REQUEST", { code, message: sentences[code] });
}
