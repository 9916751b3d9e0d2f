import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { z } from "zod";
import { parseAllowedRange } from "../address-rules.ts";

/** The key that an exit and its gateways share: at least 32 random bytes. */
export const exitKeySchema = z
  .base64url("must be base64url")
  .refine((text) => Buffer.from(text, "base64url").length >= 32, "must be at least 32 bytes");

/** Addresses to leave from, each an exit of its own. */
export const exitAddressesSchema = z.array(
  z.string().refine((text) => isIP(text) !== 0 && !text.includes("%"), "must be an address"),
);

/** `exit.json` on the machine of an exit. */
export const exitFileSchema = z.strictObject({
  key: exitKeySchema,
  /** Addresses of this machine that flows may leave from. None: the one that the system chooses. */
  addresses: exitAddressesSchema.default([]),
  /** Files in PEM. Without them flows between gateway and exit can be read on the way. */
  tls: z.strictObject({ certificate: z.string().min(1), key: z.string().min(1) }).optional(),
  /** Targets that are allowed although they are not public. */
  allowTargets: z.array(z.string().refine(isRange, "must be address[/bits][:port]")).default([]),
  maxConnections: z.int().min(1).default(20_000),
});
export type ExitFile = z.infer<typeof exitFileSchema>;

/**
 * Reads `exit.json`.
 * @throws Error with one sentence for people when it is missing or cannot be understood; it holds no secret
 */
export async function readExitFile(path: string): Promise<ExitFile> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new Error(
      `${path} cannot be read: an exit needs it for the key that it shares with its gateways.`,
      {
        cause,
      },
    );
  });
  const parsed = exitFileSchema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${path} is wrong at ${issue?.path.join(".") || "the top"}: ${issue?.message}.`);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which holds the key.
    throw new Error(`${path} is not JSON. Check its commas and quotes.`);
  }
}

function isRange(text: string): boolean {
  try {
    parseAllowedRange(text);
    return true;
  } catch {
    return false;
  }
}
