import * as z from "zod/mini";

/** As the server asks for it (server/src/auth/password-hash.ts). */
const SHORTEST = 12;

/** What a new password has to be. */
export const newPasswordSchema = z
  .string()
  .check(z.minLength(SHORTEST, `Use at least ${SHORTEST} characters.`));

/** Says it before anything is wrong. */
export const NEW_PASSWORD_HINT = `At least ${SHORTEST} characters. Any characters; a sentence is good.`;
