import { z } from "zod";
import { listName } from "../list-name.ts";

/**
 * A region's policy of filtering: a text of two parts. The first line is JSON with the key and its signature; what follows
 * is JSON too, and every byte of it is signed (Ed25519, RFC 8032), so that people can read what they trust.
 */

/** The version of the format. */
export const POLICY_FORMAT = 1;
export const MAX_POLICY_BYTES = 1 << 20;

/** What a policy can speak of as a whole; the lists that come with the program. */
const category = z.enum(["ads", "tracking", "security"]);
export type PolicyCategory = z.infer<typeof category>;

const named = z.strictObject({
  name: z.string().refine((text) => listName(text) === text, "a name in lower case, with all below it"),
  /** For people: the law, the decision, the contract. */
  because: z.string().min(1).max(300),
});
export type PolicyName = z.infer<typeof named>;

const categories = z
  .strictObject({
    /** Filtered, whatever the person says. */
    must: z.array(category).default([]),
    /** Never filtered by our lists. */
    mustNot: z.array(category).default([]),
  })
  .refine(({ must, mustNot }) => !must.some((one) => mustNot.includes(one)), "one category in both");

export const policySchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,60}$/),
  title: z.string().min(1).max(200),
  /** ISO 3166, or an operator's own word. */
  region: z.string().min(2).max(60),
  /** Grows with each change; an older one never replaces a newer one. */
  version: z.int().positive(),
  issued: z.iso.datetime(),
  expires: z.iso.datetime(),
  categories: categories.prefault({}),
  names: z
    .strictObject({
      block: z.array(named).max(20_000).default([]),
      allow: z.array(named).max(20_000).default([]),
    })
    .prefault({}),
  /** Names that are blocked besides for an audience younger than this many years. */
  ages: z
    .array(z.strictObject({ under: z.int().min(1).max(21), block: z.array(named).max(20_000) }))
    .max(10)
    .default([]),
  logging: z
    .strictObject({
      /** What is kept of decisions: nothing, how many, or the names too. */
      decisions: z.enum(["nothing", "counts", "names"]).default("counts"),
      /** Days after which it is deleted. */
      keepDays: z.int().min(0).max(366).default(7),
    })
    .prefault({}),
});
export type RegionalPolicy = z.infer<typeof policySchema>;

const headSchema = z.strictObject({
  "atlantic-policy": z.int(),
  key: z.string(),
  signature: z.string(),
});

/** Why a file is not followed. */
export type PolicyRefusal =
  | "unreadable"
  | "unknown version"
  | "unknown key"
  | "bad signature"
  | "wrong contents"
  | "expired"
  | "not valid yet"
  | "older";

export type PolicyReading =
  | { readonly kind: "good"; readonly policy: RegionalPolicy; readonly key: string }
  | { readonly kind: "refused"; readonly why: PolicyRefusal /** For people. */; readonly sentence: string };

/** Ed25519, which differs between Node and browsers; key and signature in base64. Never throws. */
export type VerifySignature = (key: string, text: string, signature: string) => boolean;

export interface PolicyTrust {
  /** The key that was chosen with the policy; null: any, to look at a file without following it. */
  readonly key: string | null;
  readonly verify: VerifySignature;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What is in force now: an older version of it is refused. */
  readonly inForce: Pick<RegionalPolicy, "id" | "version"> | null;
}

/** Reads a policy file, and says why when it is not to be followed. */
export function readPolicy(text: string, { key, verify, now, inForce }: PolicyTrust): PolicyReading {
  const feed = text.indexOf("\n");
  const head = headSchema.safeParse(parseJson(text.slice(0, Math.max(0, feed))));
  if (feed < 0 || text.length > MAX_POLICY_BYTES) return refused("unreadable", "That is no policy file.");
  if (!head.success) return refused("unreadable", "The first line is not that of a policy file.");
  if (head.data["atlantic-policy"] !== POLICY_FORMAT) {
    return refused(
      "unknown version",
      `The file has format ${head.data["atlantic-policy"]}; only ${POLICY_FORMAT} is known here.`,
    );
  }
  if (key !== null && head.data.key !== key)
    return refused("unknown key", "The file is signed by a key that was not chosen.");
  const body = text.slice(feed + 1);
  if (!verify(head.data.key, body, head.data.signature)) {
    return refused("bad signature", "The signature does not fit: the file was changed after it was signed.");
  }
  const read = policySchema.safeParse(parseJson(body));
  if (!read.success) {
    const where = read.error.issues.map((issue) => issue.path.join(".") || "the whole").join(", ");
    return refused("wrong contents", `The policy is wrong at ${where}.`);
  }
  return inTime(read.data, head.data.key, now, inForce);
}

function inTime(
  policy: RegionalPolicy,
  key: string,
  now: number,
  inForce: PolicyTrust["inForce"],
): PolicyReading {
  if (Date.parse(policy.expires) <= now)
    return refused("expired", `The policy expired on ${policy.expires.slice(0, 10)}.`);
  if (Date.parse(policy.issued) > now)
    return refused("not valid yet", `The policy is issued for ${policy.issued.slice(0, 10)}.`);
  if (inForce?.id === policy.id && policy.version < inForce.version) {
    return refused("older", `Version ${policy.version} is older than ${inForce.version}, which is in force.`);
  }
  return { kind: "good", policy, key };
}

/** The text of a signed policy file; `body` is signed as it stands. */
export function writePolicy(body: string, key: string, signature: string): string {
  return `${JSON.stringify({ "atlantic-policy": POLICY_FORMAT, key, signature })}\n${body}`;
}

function refused(why: PolicyRefusal, sentence: string): PolicyReading {
  return { kind: "refused", why, sentence };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
