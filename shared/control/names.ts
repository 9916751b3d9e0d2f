import { z } from "zod";
import { BUILT_IN_LISTS } from "../blocking/built-in-list.ts";

/** Moments are milliseconds since 1970, UTC. */
const moment = z.int().nonnegative();

/** Why a DNS name is answered as it is, or a whole address loaded. */
export const nameDecisionSchema = z.object({
  name: z.string(),
  decision: z.enum(["blocked", "allowed", "unlisted"]),
  /** The line of the list that decided, and the list's id; null when no list names it. */
  rule: z.string().nullable(),
  list: z.string().nullable(),
  /** The whole answer in a sentence or two. */
  text: z.string(),
});
export type NameDecision = z.infer<typeof nameDecisionSchema>;

/** One source of rules: a filter list, the person's own words, a choice, or the region's policy. */
export const nameListSchema = z.object({
  id: z.string(),
  /** For people. */
  name: z.string(),
  /** Where it is fetched from; null for what comes with the product and for the person's own words. */
  url: z.string().nullable(),
  entries: z.int().nonnegative(),
  /** Lines that say nothing about names, or say it in a way that is not understood. */
  notUnderstood: z.int().nonnegative(),
  /** Names refused by this list since the start. */
  blocked: z.int().nonnegative(),
  /** Whether `dns.list.remove` takes it away. */
  removable: z.boolean(),
  updatedAt: moment.nullable(),
  /** Why the last update failed; the last good list stays in use. */
  problem: z.string().nullable(),
});
export type NameList = z.infer<typeof nameListSchema>;

/** Everything that decides which names are blocked. */
export const namesViewSchema = z.object({
  /** How blocked names are answered: that there is no such name, the address of zeros, or a refusal. */
  answer: z.enum(["nxdomain", "zero", "refused"]),
  choices: z.object({ firefoxCanary: z.boolean(), dohServers: z.boolean(), privateRelays: z.boolean() }),
  allowed: z.array(z.string()),
  blocked: z.array(z.string()),
  /** Sites that are not filtered. */
  unfiltered: z.array(z.string()),
  lists: z.array(nameListSchema),
  /** The region's policy that was chosen, and what it decides. */
  policy: z.object({ id: z.string(), sentences: z.array(z.string()) }).nullable(),
  /** What is wrong with the policy, for people. */
  policyProblem: z.string().nullable(),
});
export type NamesView = z.infer<typeof namesViewSchema>;

/** What a browser's own rulesets have to know. */
export const browserFilterSchema = z.object({
  /** False: nothing is filtered on this machine at all. */
  isOn: z.boolean(),
  /** The lists that come with the product and are in use. */
  lists: z.array(z.enum(BUILT_IN_LISTS)),
  /** Sites that are not filtered. */
  unfiltered: z.array(z.string()),
  /** The person's own words, for a name and all below it. */
  allowed: z.array(z.string()),
  blocked: z.array(z.string()),
});
export type BrowserFilter = z.infer<typeof browserFilterSchema>;

/** What became of an update of one list. */
export const listUpdateSchema = z.object({
  id: z.string(),
  outcome: z.enum(["new", "unchanged", "failed"]),
  problem: z.string().nullable(),
});

const name = z.string().max(253);
const nothing = z.object({});

/** Requests about names, each with the tier that it needs. */
export const nameRequests = {
  /** Why a name is answered as it is, or a whole address loaded. */
  "dns.why": {
    tier: "status",
    params: z.object({ name: z.string().max(4_096) }),
    result: nameDecisionSchema,
  },
  "dns.status": { tier: "status", params: nothing, result: namesViewSchema },
  "dns.lists": { tier: "status", params: nothing, result: z.array(nameListSchema) },
  /** Subscribes to a list; a pin is the SHA-256 of the only version that is wanted. */
  "dns.list.add": {
    tier: "policy",
    params: z.object({ url: z.string().max(2_000), pinned: z.string().nullable() }),
    result: listUpdateSchema,
  },
  /** Ends a subscription, or switches a list that comes with the product off or on. */
  "dns.list.remove": { tier: "policy", params: z.object({ id: z.string().max(100) }), result: nothing },
  "dns.list.restore": { tier: "policy", params: z.object({ id: z.string().max(100) }), result: nothing },
  "dns.lists.update": { tier: "policy", params: nothing, result: z.array(listUpdateSchema) },
  /** The person's own word on a name and all below it; null takes it back. */
  "dns.say": {
    tier: "policy",
    params: z.object({ name, word: z.enum(["allow", "block"]).nullable() }),
    result: nameDecisionSchema,
  },
  "dns.choose": {
    tier: "policy",
    params: z.object({
      answer: namesViewSchema.shape.answer.optional(),
      choices: namesViewSchema.shape.choices.partial().optional(),
    }),
    result: namesViewSchema,
  },
  /** Filtering on or off for one site: its own names, and the flows of its pages. */
  "dns.site": {
    tier: "choose",
    params: z.object({ site: name, filtered: z.boolean() }),
    result: z.object({ site: z.string(), filtered: z.boolean() }),
  },
  /** What a browser filters by itself; `dns.changed` tells when it is another. */
  "dns.browser": { tier: "status", params: nothing, result: browserFilterSchema },
  /** Follows a region's policy under a key that is chosen with it; `age` is how old the audience is, if it was said. */
  "policy.use": {
    tier: "policy",
    params: z.object({ text: z.string().max(900_000), key: z.string().max(100), age: z.int().nullable() }),
    result: namesViewSchema,
  },
  "policy.remove": { tier: "policy", params: nothing, result: namesViewSchema },
} as const;
