import { tabRuleSchema } from "@atlantic/shared/routing/decide.ts";
import { routeIdSchema } from "@atlantic/shared/routing/route.ts";
import { browser } from "wxt/browser";
import { z } from "zod";

const tabStateSchema = z.object({
  tabId: z.int(),
  /** Its own route, or null where the site or everything decides. */
  rule: tabRuleSchema.nullable(),
  /** The page that it shows; of the gate, where it waits there. */
  url: z.string(),
  /** The site whose connections its page uses; null for a page of no site. */
  site: z.string().nullable(),
  /** The site that it is about to show. */
  coming: z.string().nullable(),
  /** The site to which a form may be sent again, until that moment. */
  promised: z.object({ site: z.string(), until: z.number() }).nullable(),
});
export type TabState = z.infer<typeof tabStateSchema>;

const runtimeSchema = z.object({
  revision: z.int(),
  generation: z.int(),
  tabs: z.array(tabStateSchema),
  sitesWithWorkers: z.array(z.string()),
  owners: z.array(z.tuple([z.string(), routeIdSchema])),
  /** Null until it has been found out. */
  imagesMayBeChallenged: z.boolean().nullable(),
});
export type Runtime = z.infer<typeof runtimeSchema>;

const KEY = "runtime";

/** What lives as long as the browser does and longer than the background, which sleeps. */
export async function readRuntime(): Promise<Runtime | undefined> {
  const stored: unknown = (await browser.storage.session.get(KEY))[KEY];
  return runtimeSchema.safeParse(stored).data;
}

export async function writeRuntime(runtime: Runtime): Promise<void> {
  await browser.storage.session.set({ [KEY]: runtime });
}
