import { z } from "zod";
import { exitSelectorSchema } from "../exits/selector.ts";
import { routeIdSchema, routeSchema } from "../routing/route.ts";
import { browserFilterSchema, nameRequests } from "./names.ts";
import { breachSchema, protectionViewSchema } from "./protection.ts";
import { restoredSettingsSchema, systemProxyViewSchema, systemProxyWishSchema } from "./system-proxy.ts";
import type { Tier } from "./tiers.ts";

/**
 * The control protocol between the companion and its clients (the extension through the native-messaging relay,
 * and the `atlantic` command): JSON messages, one a line on the control socket. Both ends may ask.
 * A request carries an id and gets one reply; a notice carries none and gets none.
 */

/** The longest control message in bytes: Chrome refuses more than 1 MB from a native-messaging host. */
export const MAX_MESSAGE_BYTES = 1_000_000;

/** Bytes as decimal text, because JSON has no integers of 64 bits. */
export const bytesText = z.string().regex(/^\d{1,20}$/);

/** Moments are milliseconds since 1970, UTC. */
const moment = z.int().nonnegative();

/** One place where traffic can leave. */
export const exitViewSchema = z.object({
  /** Stable, for keys and for `atlantic route set`: country and city, as in `de` or `us-new_york`. */
  id: z.string(),
  exit: exitSelectorSchema,
  /** For people: "Berlin, Germany". */
  label: z.string(),
  /** "residential", "datacenter" or "demonstration": exits of this machine, which lead nowhere else. */
  network: z.string(),
  demonstration: z.boolean(),
  latencyMs: z.number().nonnegative().nullable(),
});
export type ExitView = z.infer<typeof exitViewSchema>;

/** A sticky session of a route, as the companion holds it. */
const sessionViewSchema = z.object({
  routeId: routeIdSchema,
  startedAt: moment,
  /** When the address may change; null where every connection may get another one. */
  expiresAt: moment.nullable(),
  /** The address that sites see, once a check through this session has come back. */
  address: z.string().nullable(),
  addressCheckedAt: moment.nullable(),
  /** Why the last check failed, for people. */
  problem: z.string().nullable(),
});
export type SessionView = z.infer<typeof sessionViewSchema>;

const statusSchema = z.object({
  version: z.string(),
  startedAt: moment,
  proxy: z.object({ host: z.string(), port: z.int() }),
  upstream: z.object({
    kind: z.enum(["gateway", "provider"]),
    name: z.string(),
    reachable: z.boolean(),
    /** Why it is not reachable, for people. */
    problem: z.string().nullable(),
  }),
  browsers: z.array(z.object({ id: z.string(), name: z.string(), tabs: z.int(), routes: z.int() })),
  sessions: z.array(sessionViewSchema),
  /** Bytes through exits since the companion started, as the companion's own sockets counted them. */
  usage: z.object({ sentBytes: bytesText, receivedBytes: bytesText, requests: z.int() }),
  /** What the gateway's account has left; null when the upstream cannot tell. */
  account: z.object({ remainingBytes: bytesText, allowanceBytes: bytesText }).nullable(),
  /** The tunnel and the kill switch of the whole machine; null where the companion runs without privilege. */
  protection: protectionViewSchema.nullable().default(null),
  /** The proxy for programs that read the desktop's settings; null while it is off. */
  systemProxy: systemProxyViewSchema.nullable().default(null),
});
export type Status = z.infer<typeof statusSchema>;

/** What a browser wants, whole, every time it changes. The companion closes each tunnel that it makes wrong. */
const browserPlanSchema = z.object({
  revision: z.int().positive(),
  mode: z.discriminatedUnion("kind", [
    /** Every tab has this route: no tunnel is attributed. */
    z.object({ kind: z.literal("steady"), routeId: routeIdSchema }),
    /** More than one route is live: each tunnel is attributed by a challenge of its own. */
    z.object({
      kind: z.literal("attributed"),
      /** One site is open under two routes: each request has a proxy name, and so a tunnel, of its own. */
      perRequest: z.boolean(),
      /** The policy AllowCrossOriginAuthPrompt is on: cross-site images may be challenged. */
      imagesMayBeChallenged: z.boolean(),
      /**
       * Tunnels of the steady plan before, under this route, may finish what they carry: no tab has turned since, and
       * the browser asks for new tunnels under another proxy name, so none can be used again.
       */
      keepSteady: routeIdSchema.optional(),
    }),
  ]),
  routes: z.record(routeIdSchema, routeSchema),
  tabs: z.array(z.object({ tabId: z.int(), site: z.string(), routeId: routeIdSchema })),
});
export type BrowserPlan = z.infer<typeof browserPlanSchema>;

/** What the extension sees of a request before Chrome asks for its tunnel. It never decides a route. */
const pendingRequestSchema = z.object({
  requestId: z.string(),
  tabId: z.int(),
  frameId: z.int(),
  host: z.string(),
  port: z.int(),
  /** Whether Chrome lets anyone answer a challenge for this request, the policy taken into account. */
  challengeable: z.boolean(),
});
export type PendingRequest = z.infer<typeof pendingRequestSchema>;

const routeScopeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("tab"), tabId: z.int() }),
  z.object({ kind: z.literal("site"), site: z.string() }),
  z.object({ kind: z.literal("everything") }),
]);
export type RouteScope = z.infer<typeof routeScopeSchema>;

/** A tab and why it goes where it goes. */
export const tabViewSchema = z.object({
  browser: z.string(),
  tabId: z.int(),
  site: z.string(),
  routeId: routeIdSchema,
  route: routeSchema,
});

const nothing = z.object({});

/** Requests from a client to the companion, each with the tier that it needs. */
export const companionRequests = {
  hello: {
    tier: "none",
    params: z.object({
      client: z.object({
        kind: z.enum(["extension", "cli"]),
        name: z.string().max(100),
        version: z.string().max(40),
      }),
      /** The token of an earlier pairing (64 hex digits), chosen by the extension. */
      pairingToken: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
    }),
    result: z.object({
      tier: z.enum(["none", "status", "choose", "policy", "release"]),
      version: z.string(),
      /** For a paired extension: where its proxy is and what it answers challenges with. */
      browser: z
        .object({
          id: z.string(),
          proxyHost: z.string(),
          proxyPort: z.int(),
          proxySecret: z.string(),
          /** Worth nothing but the attribution of plain http requests. */
          headerToken: z.string(),
        })
        .nullable(),
    }),
  },
  /** An extension asks to be paired under a token of its own choosing; the words are shown on both sides. */
  "pair.begin": {
    tier: "none",
    params: z.object({ token: z.string().regex(/^[0-9a-f]{64}$/) }),
    result: z.object({ words: z.array(z.string()).length(6), expiresAt: moment }),
  },
  /** The person says in the popup whether the words are the same. On yes, say hello again with the token. */
  "pair.confirm": { tier: "none", params: z.object({ accepted: z.boolean() }), result: nothing },
  "pair.pending": {
    tier: "policy",
    params: nothing,
    result: z.array(
      z.object({ id: z.string(), name: z.string(), words: z.array(z.string()), expiresAt: moment }),
    ),
  },
  "pair.answer": {
    tier: "policy",
    params: z.object({ id: z.string(), accepted: z.boolean() }),
    result: nothing,
  },
  /** A single-use ticket, good for two minutes, that pairs the browser whose relay presents it (`relay.open`). */
  "pair.ticket": {
    tier: "policy",
    params: nothing,
    result: z.object({ ticket: z.string(), expiresAt: moment }),
  },
  "status.get": { tier: "status", params: nothing, result: statusSchema },
  "exits.list": { tier: "status", params: nothing, result: z.array(exitViewSchema) },
  "plan.apply": {
    tier: "choose",
    params: browserPlanSchema,
    result: z.object({ revision: z.int(), closedTunnels: z.int() }),
  },
  "session.rotate": {
    tier: "choose",
    params: z.object({ routeId: routeIdSchema }),
    result: sessionViewSchema,
  },
  "route.list": { tier: "status", params: nothing, result: z.array(tabViewSchema) },
  /** From the command: passed on to the browser, which owns its rules. `browser` may be left out when only one is there. */
  "route.set": {
    tier: "choose",
    params: z.object({ browser: z.string().optional(), scope: routeScopeSchema, route: routeSchema }),
    result: nothing,
  },
  /**
   * A client at a terminal asks for the tier `release`: granted to root, to others when the operating system says so
   * (polkit asks the person). A browser is never granted it.
   */
  "tier.raise": {
    tier: "policy",
    params: z.object({ to: z.literal("release") }),
    result: z.object({ tier: z.literal("release") }),
  },
  /** Protect the whole machine: rules up, then the tunnel. Answers when connected; fails as blocked, never as open. */
  "protection.connect": { tier: "choose", params: nothing, result: protectionViewSchema },
  /** The only way back to open (or to locked, in lockdown). */
  "protection.disconnect": { tier: "release", params: nothing, result: protectionViewSchema },
  /** Blocked instead of open whenever not connected. Switching it off is `protection.unlock`: another tier. */
  "protection.lockdown": { tier: "policy", params: nothing, result: protectionViewSchema },
  "protection.unlock": { tier: "release", params: nothing, result: protectionViewSchema },
  "protection.allowLan": {
    tier: "policy",
    params: z.object({ allowed: z.boolean() }),
    result: protectionViewSchema,
  },
  /** The breaches that are kept, newest first. */
  "protection.leaks": { tier: "status", params: nothing, result: z.array(breachSchema) },
  /** Looks now: every check of the validator, and answers when the verdict is there. */
  "protection.validate": { tier: "status", params: nothing, result: protectionViewSchema },
  ...nameRequests,
  /** Opens a proxy for any program of this machine, and points the desktop's settings at it; answers when it is there. */
  "systemProxy.connect": { tier: "policy", params: systemProxyWishSchema, result: systemProxyViewSchema },
  /** Puts back the desktop's settings and closes the proxy; null when there was nothing to do. */
  "systemProxy.disconnect": { tier: "policy", params: nothing, result: restoredSettingsSchema.nullable() },
  "doctor.run": {
    tier: "status",
    params: nothing,
    result: z.array(
      z.object({
        name: z.string(),
        verdict: z.enum(["good", "warning", "bad"]),
        detail: z.string(),
        remedy: z.string().nullable(),
      }),
    ),
  },
} as const satisfies Record<string, { tier: Tier; params: z.ZodType; result: z.ZodType }>;
export type CompanionRequest = keyof typeof companionRequests;

/** Notices from a client to the companion. */
export const companionNotices = {
  /**
   * What the native-messaging relay says before anything that the browser says. It makes the link a browser's for good,
   * so that an extension cannot pass for the command. Extensions never send it.
   */
  "relay.open": {
    tier: "none",
    params: z.object({ origin: z.string().max(200), ticket: z.string().max(100).optional() }),
  },
  "request.started": { tier: "choose", params: pendingRequestSchema },
  "request.settled": { tier: "choose", params: z.object({ requestId: z.string() }) },
} as const satisfies Record<string, { tier: Tier; params: z.ZodType }>;
export type CompanionNotice = keyof typeof companionNotices;

/** Requests from the companion to an extension. */
export const browserRequests = {
  "route.set": { params: z.object({ scope: routeScopeSchema, route: routeSchema }), result: nothing },
  /** Is answered when all that the browser has seen until then is told, and the plan that it wants is applied. */
  "news.told": { params: nothing, result: nothing },
} as const;
export type BrowserRequest = keyof typeof browserRequests;

/** Notices from the companion to its clients. */
export const browserNotices = {
  "status.changed": { params: statusSchema },
  "dns.changed": { params: browserFilterSchema },
  "pair.settled": { params: z.object({ accepted: z.boolean() }) },
  /** From the relay itself, before it ends: there is no companion to talk to. `problem` is a sentence for people. */
  "link.absent": { params: z.object({ problem: z.string() }) },
  /** Open the tunnel that an image of this frame needs, by a request that Chrome lets the extension answer for. */
  "helper.wanted": {
    params: z.object({ tabId: z.int(), frameId: z.int(), host: z.string(), port: z.int() }),
  },
} as const;
export type BrowserNotice = keyof typeof browserNotices;

/** Why a control request failed. */
const controlErrorSchema = z.object({
  code: z.enum(["malformed", "unknown_request", "not_allowed", "not_found", "unavailable", "internal"]),
  /** What happened and what to do, for people. */
  message: z.string(),
});
export type ControlErrorBody = z.infer<typeof controlErrorSchema>;

/** What travels on the wire, before the parameters are read. */
export const envelopeSchema = z.union([
  z.object({ id: z.int().positive(), ask: z.string(), params: z.unknown() }),
  z.object({ id: z.int().positive(), result: z.unknown() }),
  z.object({ id: z.int().positive(), error: controlErrorSchema }),
  z.object({ tell: z.string(), params: z.unknown() }),
]);
export type Envelope = z.infer<typeof envelopeSchema>;
