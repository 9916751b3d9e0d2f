import { z } from "zod";

/** What a process that never got ready says: one sentence for people. */
const failedSchema = z.object({ kind: z.literal("failed"), sentence: z.string() });

const serverReadySchema = z.object({
  kind: z.literal("ready"),
  webUrl: z.string(),
  gatewayHost: z.string(),
  gatewayPort: z.int(),
  gatewayTls: z
    .object({ port: z.int(), fingerprint: z.string(), certificate: z.string(), selfSigned: z.boolean() })
    .nullable(),
  signInUrl: z.string().nullable(),
  credential: z.object({ username: z.string(), password: z.string() }).nullable(),
  demonstration: z.object({ echoHost: z.string(), echoAddress: z.string() }).nullable(),
});
export type ServerReady = z.infer<typeof serverReadySchema>;

const companionReadySchema = z.object({
  kind: z.literal("ready"),
  proxyPort: z.int(),
  controlSocket: z.string(),
});

/** What the server tells the process that started it. */
export const serverMessageSchema = z.union([serverReadySchema, failedSchema]);
/** What the companion tells the process that started it. */
export const companionMessageSchema = z.union([companionReadySchema, failedSchema]);
