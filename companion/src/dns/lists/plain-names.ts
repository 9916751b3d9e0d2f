import { z } from "zod";

/** A rule of Chrome's declarativeNetRequest, as far as it says something of names. */
const ruleSchema = z.object({
  action: z.object({ type: z.string() }),
  condition: z.looseObject({
    urlFilter: z.string().optional(),
    resourceTypes: z.array(z.string()).optional(),
  }),
});

const WHOLE_NAME = /^\|\|([a-z0-9._-]+)\^$/;
/** A rule for this many kinds of requests, pages themselves among them, means all of them. */
const ALL_TYPES = 10;

/** Names that a ruleset blocks whole, and those that it allows whole. */
export interface PlainNames {
  readonly blocked: ReadonlySet<string>;
  readonly allowed: ReadonlySet<string>;
}

/**
 * Picks the rules that mean a name and nothing more: only those can be said in DNS, where neither the page that asks nor
 * the kind of request is known.
 * @throws Error when it is no ruleset
 */
export function plainNames(ruleset: unknown): PlainNames {
  const blocked = new Set<string>();
  const allowed = new Set<string>();
  for (const { action, condition } of z.array(ruleSchema).parse(ruleset)) {
    const name = WHOLE_NAME.exec(condition.urlFilter ?? "")?.[1];
    if (name === undefined) continue;
    const others = Object.keys(condition).filter(
      (key) => !["urlFilter", "isUrlFilterCaseSensitive", "resourceTypes"].includes(key),
    );
    const types = condition.resourceTypes;
    const isAll = types === undefined || (types.length >= ALL_TYPES && types.includes("main_frame"));
    if (others.length > 0 || !isAll) continue;
    if (action.type === "block") blocked.add(name);
    if (action.type === "allow") allowed.add(name);
  }
  return { blocked, allowed };
}
