import { z } from "zod";
import { bytesText } from "../control/messages.ts";
import { proxyErrors } from "../errors.ts";
import { exitSelectorSchema, exitSessionSchema } from "./selector.ts";

const codes = Object.keys(proxyErrors);

const errorShape = z.object({
  code: z.string().refine((code) => codes.includes(code)),
  detail: z.string().nullable(),
  sentence: z.string(),
  httpStatus: z.int(),
  /** The value of the field `Proxy-Status`. */
  proxyStatus: z.string(),
  /** Null: the login is refused, and no reply follows. */
  socks5Reply: z.int().nullable(),
});

const usernameShape = z.discriminatedUnion("readable", [
  z.object({
    readable: z.literal(true),
    spelling: z.enum(["atlantic", "oxylabs"]),
    credential: z.string(),
    canonical: z.string(),
    parts: z.array(z.object({ key: z.string(), value: z.string(), meaning: z.string() })),
    exit: exitSelectorSchema,
    session: exitSessionSchema.nullable(),
    rotation: z.string(),
  }),
  z.object({
    readable: z.literal(false),
    error: errorShape,
    /** The part that is wrong, in UTF-16 units. */
    at: z.object({ start: z.int(), end: z.int() }).nullable(),
  }),
]);

const upstreamShape = z.object({
  name: z.string(),
  label: z.string(),
  /** Null: it would be asked. */
  refusal: z.string().nullable(),
  /** Everything secret is masked, the session's id too. */
  asked: z
    .object({
      protocol: z.string(),
      host: z.string(),
      port: z.int(),
      username: z.string().nullable(),
      password: z.string().nullable(),
    })
    .nullable(),
  evidence: z.enum(["vendor", "community"]).nullable(),
  lifetimeMinutes: z.int().nullable(),
});

/** What `proxy.explain` answers. */
export const explanationSchema = z.object({
  username: usernameShape,
  /** What the gateway would answer now; null: the connection would be tried. */
  error: errorShape.nullable(),
  /** In the order in which they would be asked. */
  upstreams: z.array(upstreamShape),
  /** Per GB of 10^9 bytes; null: the account has no plan. */
  price: z
    .object({ plan: z.string(), currency: z.string(), pricePerGb: z.string(), includedBytes: bytesText })
    .nullable(),
  limits: z
    .object({
      remainingBytes: bytesText.nullable(),
      requestsPerSecond: z.number().nullable(),
      /** Bytes per second, both directions together. */
      bandwidth: bytesText.nullable(),
      /** Open at once; null: the gateway's own limit. */
      connections: z.int().nullable(),
      authentication: z.enum(["password", "address", "password_and_address"]),
      allowedAddresses: z.array(z.string()),
      /** Null: every port. */
      allowedPorts: z.array(z.string()).nullable(),
      /** Null: every target. */
      allowedTargets: z.array(z.string()).nullable(),
      blockedTargets: z.array(z.string()),
    })
    .nullable(),
  /** What the account's settings give where the name asks for no session. */
  accountSession: z.object({ session: exitSessionSchema, rotation: z.string() }).nullable(),
  session: z.object({ expiresAt: z.int(), upstream: z.string().nullable(), lost: z.boolean() }).nullable(),
});
export type ExplanationView = z.infer<typeof explanationSchema>;
