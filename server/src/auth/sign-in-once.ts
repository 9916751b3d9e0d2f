import { randomBytes } from "node:crypto";
import type { BetterAuthPlugin } from "better-auth";
import { APIError, createAuthEndpoint } from "better-auth/api";
import { setSessionCookie } from "better-auth/cookies";
import { z } from "zod";

/** How long a one-time sign-in link works. */
const LINK_LIFETIME_MS = 15 * 60_000;

const identifier = (token: string) => `sign-in-once:${token}`;

/** The part of better-auth that stores tokens; identifiers are hashed before they are written. */
interface TokenStore {
  createVerificationValue(data: { identifier: string; value: string; expiresAt: Date }): Promise<unknown>;
}

/** Makes a token that signs this user in once, within 15 minutes. 256 random bits, of which a hash is stored. */
export async function createSignInToken(store: TokenStore, userId: string): Promise<string> {
  const token = randomBytes(32).toString("base64url");
  const expiresAt = new Date(Date.now() + LINK_LIFETIME_MS);
  await store.createVerificationValue({ identifier: identifier(token), value: userId, expiresAt });
  return token;
}

/**
 * POST /api/auth/sign-in/once `{ "token": … }`: signs in with a token of `createSignInToken` and uses it up.
 * The web page takes the token out of the link's fragment, which no server and no referrer ever sees.
 */
export function signInOnce() {
  return {
    id: "sign-in-once",
    endpoints: {
      signInOnce: createAuthEndpoint(
        "/sign-in/once",
        { method: "POST", body: z.object({ token: z.string().min(1).max(100) }) },
        async (context) => {
          const { internalAdapter } = context.context;
          const taken = await internalAdapter.consumeVerificationValue(identifier(context.body.token));
          const user = taken === null ? null : await internalAdapter.findUserById(taken.value);
          if (user === null) throw linkUsedUp();
          const session = await internalAdapter.createSession(user.id);
          await setSessionCookie(context, { session, user });
          return context.json({ user: { id: user.id, email: user.email, name: user.name } });
        },
      ),
    },
    rateLimit: [{ pathMatcher: (path) => path === "/sign-in/once", window: 10, max: 10 }],
  } satisfies BetterAuthPlugin;
}

function linkUsedUp(): APIError {
  return new APIError("UNAUTHORIZED", {
    code: "LINK_USED_UP",
    message:
      "This sign-in link was used already or is older than 15 minutes. Start the server again for another.",
  });
}
