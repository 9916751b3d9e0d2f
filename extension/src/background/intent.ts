import { browserFilterSchema } from "@atlantic/shared/control/names.ts";
import { NO_RULES, rulesSchema, tabRuleSchema } from "@atlantic/shared/routing/decide.ts";
import { browser } from "wxt/browser";
import { z } from "zod";

/** A tab of the last session, so that it gets its route back when the browser restores it. */
const rememberedTabSchema = z.object({ url: z.string(), rule: tabRuleSchema });
export type RememberedTab = z.infer<typeof rememberedTabSchema>;

const intentSchema = z.object({
  /** Whether exits are used at all. */
  enabled: z.boolean(),
  rules: rulesSchema,
  /** Requests that belong to no tab of theirs: dropped, or sent the way of everything. */
  strays: z.enum(["block", "everything"]),
  /** What the companion knows this browser by; null before the first pairing is begun. */
  pairingToken: z.string().nullable(),
  /** The companion's port when it was last there: requests go on being led to it while it is away. */
  proxyPort: z.int(),
  tabs: z.array(rememberedTabSchema),
  /** What the companion said last of filtering: it holds while the companion is away. Null before it ever did. */
  filter: browserFilterSchema.nullable().default(null),
});
export type Intent = z.infer<typeof intentSchema>;

const KEY = "intent";
const DEFAULT_PROXY_PORT = 9150;

const NO_INTENT: Intent = {
  enabled: false,
  rules: NO_RULES,
  strays: "block",
  pairingToken: null,
  proxyPort: DEFAULT_PROXY_PORT,
  tabs: [],
  filter: null,
};

/** What the person wants, kept over restarts of the browser. */
export async function readIntent(): Promise<Intent> {
  const stored: unknown = (await browser.storage.local.get(KEY))[KEY];
  return intentSchema.safeParse(stored).data ?? NO_INTENT;
}

export async function writeIntent(intent: Intent): Promise<void> {
  await browser.storage.local.set({ [KEY]: intent });
}
