import * as z from "zod/mini";
import { Failure } from "./failure.ts";

const problemSchema = z.object({ code: z.optional(z.string()), message: z.optional(z.string()) });

const sentences: Readonly<Record<string, string>> = {
  INVALID_EMAIL_OR_PASSWORD: "The email or the password is wrong.",
  USER_ALREADY_EXISTS: "There is an account with this email already. Sign in instead.",
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: "There is an account with this email already. Sign in instead.",
  INVALID_PASSWORD: "That is not the password this account has.",
  PASSWORD_TOO_SHORT: "The password is too short.",
  PASSWORD_TOO_LONG: "The password is too long.",
};

/** Opens an account and signs in. */
export async function signUp(person: { name: string; email: string; password: string }): Promise<void> {
  await post("/sign-up/email", person);
}

export async function signIn(who: { email: string; password: string }): Promise<void> {
  await post("/sign-in/email", who);
}

/** Signs in with the token of a one-time link. @throws Failure when it was used before or is too old. */
export async function signInOnce(token: string): Promise<void> {
  await post("/sign-in/once", { token });
}

export async function signOut(): Promise<void> {
  await post("/sign-out", {});
}

/** Gives an account that has no password its first one. @throws Failure when it has one. */
export async function setFirstPassword(newPassword: string): Promise<void> {
  await post("/set-password", { newPassword });
}

/** @throws Failure when `currentPassword` is wrong. */
export async function changePassword(change: {
  currentPassword: string;
  newPassword: string;
  /** Ends every other session of the account. */
  revokeOtherSessions: boolean;
}): Promise<void> {
  await post("/change-password", change);
}

const sessionSchema = z.object({
  id: z.string(),
  token: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  ipAddress: z.optional(z.nullable(z.string())),
  userAgent: z.optional(z.nullable(z.string())),
});

/** A browser that is signed in. */
export type SignedIn = z.infer<typeof sessionSchema> & { readonly current: boolean };

/** The browsers that are signed in to this account, this one first, then the newest. */
export async function listSessions(): Promise<readonly SignedIn[]> {
  const [list, own] = await Promise.all([request("/list-sessions"), request("/get-session")]);
  const current = z.parse(z.object({ session: z.object({ id: z.string() }) }), own).session.id;
  const sessions = z.parse(z.array(sessionSchema), list);
  return sessions
    .map((session) => ({ ...session, current: session.id === current }))
    .sort((a, b) => Number(b.current) - Number(a.current) || b.createdAt.localeCompare(a.createdAt));
}

export async function endSession(token: string): Promise<void> {
  await post("/revoke-session", { token });
}

export async function endOtherSessions(): Promise<void> {
  await post("/revoke-other-sessions", {});
}

function post(path: string, body: object): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function request(path: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(`/api/auth${path}`, {
    credentials: "same-origin",
    cache: "no-store",
    ...init,
  });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new Failure(sentenceFor(response, body));
  return body;
}

function sentenceFor(response: Response, body: unknown): string {
  if (response.status === 429) {
    const seconds = response.headers.get("retry-after") ?? response.headers.get("x-retry-after");
    return `Too many attempts. Try again in ${seconds ? `${seconds} seconds` : "a minute"}.`;
  }
  if (response.status === 404) return "This server does not take new accounts. Ask the person who runs it.";
  const problem = z.safeParse(problemSchema, body).data;
  return (
    sentences[problem?.code ?? ""] ?? problem?.message ?? "The server refused that. Try again in a moment."
  );
}
