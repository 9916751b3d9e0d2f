import { parse } from "tldts";
import type { DnrCondition, DnrRule } from "./dnr-rule.ts";

const WHOLE_NAME = /^\|\|([a-z0-9-]+(?:\.[a-z0-9-]+)*)\^$/;
/** The name that a rule is about, when it is about nothing but that name and all below it. */
export function nameOf({ condition }: DnrRule): string | undefined {
  const { urlFilter = "", requestDomains, resourceTypes } = condition;
  if (requestDomains !== undefined) return undefined;
  const name = WHOLE_NAME.exec(urlFilter)?.[1];
  if (name !== undefined) return name;
  // 72,000 rules are about the pictures by which mail tells that it was read: bare names of three labels or more.
  const isOfMail = resourceTypes?.length === 1 && resourceTypes[0] === "image" && isLongName(urlFilter);
  return isOfMail ? urlFilter : undefined;
}

function isLongName(text: string): boolean {
  return /^([a-z0-9-]+\.){2,}[a-z]{2,}$/.test(text) && parse(text).isIcann === true;
}

/** Makes one rule of all that say the same of different names: browsers count rules and not names. */
export function mergeNames<Rule extends DnrRule>(rules: readonly Rule[]): Rule[] {
  const groups = new Map<string, { rule: Rule; names: Set<string> }>();
  const others = new Map<string, Rule>();
  for (const rule of rules) {
    const name = nameOf(rule);
    if (name === undefined) {
      others.set(JSON.stringify(rule), rule);
      continue;
    }
    const { urlFilter: _, ...when } = rule.condition;
    const key = JSON.stringify({ ...rule, condition: when });
    const group = groups.get(key);
    if (group) group.names.add(name);
    else groups.set(key, { rule, names: new Set([name]) });
  }
  return [...[...groups.values()].map(merged), ...others.values()];
}

function merged<Rule extends DnrRule>({ rule, names }: { rule: Rule; names: Set<string> }): Rule {
  const { urlFilter: _, ...when } = rule.condition;
  const condition: DnrCondition = { ...when, requestDomains: withoutBelow(names) };
  return { ...rule, condition };
}

/** A name says all below it. */
function withoutBelow(names: ReadonlySet<string>): string[] {
  const isBelow = (name: string): boolean => {
    for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1))
      if (names.has(name.slice(dot + 1))) return true;
    return false;
  };
  return [...names].filter((name) => !isBelow(name)).sort();
}
