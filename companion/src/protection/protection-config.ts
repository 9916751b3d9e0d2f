import { exitSelectorSchema } from "@atlantic/shared/exits/selector.ts";
import { z } from "zod";

const port = z.int().min(1).max(65_535);
const address = z.union([z.ipv4(), z.ipv6()]);

/** A way to the exits that the whole machine may take. */
const upstreamSchema = z.strictObject({
  /** As people know it; no two alike. */
  name: z.string().min(1).max(60),
  /** How exit and session are written into the login. `http` and `socks5`: not at all. */
  kind: z.enum(["gateway", "oxylabs", "http", "socks5"]),
  /** What is spoken to it. Default: SOCKS5 to `socks5`, CONNECT to the others. */
  protocol: z.enum(["connect", "socks5", "h2"]).optional(),
  tls: z.boolean().default(false),
  /** Authorities besides the system's, as PEM. */
  ca: z.string().optional(),
  host: z.string().min(1),
  /** Where it is, when the host is a name: then no name has to be resolved to reach it. */
  addresses: z.array(address).default([]),
  port,
  username: z.string().default(""),
  password: z.string().default(""),
  /** It has SOCKS5 UDP ASSOCIATE. Without it datagrams are refused at once. */
  udp: z.boolean().default(false),
});
export type ProtectedUpstreamConfig = z.infer<typeof upstreamSchema>;

const cidr = z.union([z.cidrv4(), z.cidrv6()]);

const splitSchema = z.strictObject({
  mode: z.enum(["all-but", "only"]),
  cgroups: z.array(z.string().regex(/^[^/].*$/)).default([]),
  uids: z.array(z.int().nonnegative()).default([]),
  destinations: z.array(cidr).default([]),
});

/** The part of the configuration that protects the whole machine; it needs privilege. */
export const protectionConfigSchema = z.strictObject({
  /** In the order of preference; the others stand by. */
  upstreams: z
    .array(upstreamSchema)
    .min(1)
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "two of one name"),
  /** Where the machine's traffic shall leave. The validator holds the exit against it. */
  exit: exitSelectorSchema.default({}),
  /** One exit address for as long as it lives, instead of another for each connection. */
  sticky: z.boolean().default(true),
  /**
   * Servers of DNS over HTTPS by address, as in `https://9.9.9.9/dns-query`, which are asked, beside the tunnel and
   * marked, for upstreams that are names and whose addresses are not known.
   */
  bootstrap: z.array(z.url({ protocol: /^https$/ })).default([]),
  split: splitSchema.nullable().default(null),
  /** How names are answered: addresses that stand for them, so that the exit resolves, or real ones. */
  fakeAddresses: z.union([z.literal(false), z.enum(["at once", "checked"])]).default("at once"),
  validator: z
    .strictObject({
      everySeconds: z.number().min(0.2).max(3_600).default(20),
      /** Addresses that canaries are sent to: nobody answers there. */
      canaries: z.array(address).default(["192.0.2.1", "2001:db8::1"]),
      /** A name that the resolver must answer; null: names are not looked at. */
      name: z.string().nullable().default("dns-canary.invalid"),
    })
    .prefault({}),
  /** Random small delays, and padding, of the traffic with which upstreams are watched. Costs bytes and time. */
  jitter: z.boolean().default(false),
});
export type ProtectionConfig = z.infer<typeof protectionConfigSchema>;
