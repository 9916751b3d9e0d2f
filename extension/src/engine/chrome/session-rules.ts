import { EVERY_TYPE, PARTS_OF_PAGES } from "@atlantic/shared/blocking/rulesets/resource-types.ts";
import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { ATTRIBUTION_HEADER, formatAttribution } from "@atlantic/shared/control/attribution.ts";
import type { RouteId } from "@atlantic/shared/routing/route.ts";
import type { Browser } from "wxt/browser";
import type { Guard, TabClass, TabHeaders } from "../guard.ts";
import type { SiteSet } from "../site-set.ts";

type Rule = Browser.declarativeNetRequest.Rule;
type NewRule = Omit<Rule, "id">;
type Condition = Rule["condition"];

/**
 * Later is stronger, and each is stronger than what lists say: an exception of theirs for a page must not lead it past the
 * gate. An allowing rule, of a list or ours, would also silence header rules that are not stronger than it.
 */
const priority = {
  gate: RULE_WEIGHT.ours,
  free: RULE_WEIGHT.ours + 1,
  header: RULE_WEIGHT.ours + 2,
  siteHeader: RULE_WEIGHT.ours + 3,
  silence: RULE_WEIGHT.ours + 4,
  strip: RULE_WEIGHT.ours + 5,
} as const;

type ResourceTypes = Browser.declarativeNetRequest.ResourceType[];
const everyType = [...EVERY_TYPE] as ResourceTypes;
const navigation = ["main_frame"] as ResourceTypes;
const partsOfPages = [...PARTS_OF_PAGES] as ResourceTypes;

/** Chrome takes these names and addresses past every proxy, so neither the gate nor a secret is for them. */
const loopbackNames = ["localhost", "127.0.0.1", "[::1]"];
const passedBy =
  "^http://([^/@]*@)?(([^/:@]*\\.)?localhost\\.?|127\\.[0-9.]+|169\\.254\\.[0-9.]+|\\[[0-9a-f:.]+\\])(:[0-9]+)?/";

const PROBES = "probe.atlantic.invalid";

/** The rules that outlive the session: while they alone are there, every navigation waits at the gate. */
export function gateRules(gateUrl: string): Rule[] {
  const gate = (query: string, condition: Partial<Condition>): NewRule => ({
    priority: priority.gate,
    action: { type: "redirect", redirect: { regexSubstitution: `${gateUrl}${query}#\\0` } },
    condition: {
      regexFilter: "^https?://.*",
      resourceTypes: navigation,
      excludedRequestDomains: [...loopbackNames],
      ...condition,
    },
  });
  return numbered([
    gate("", { excludedRequestMethods: ["post"] as Browser.declarativeNetRequest.RequestMethod[] }),
    gate("?sent", { requestMethods: ["post"] as Browser.declarativeNetRequest.RequestMethod[] }),
  ]);
}

/** The rules of the session: what is free, and what plain requests carry. */
export function sessionRules(guard: Guard): Rule[] {
  return numbered([
    ...guard.classes.flatMap(freeRules),
    ...headerRules(guard),
    ...silenceRules(guard.silenced),
    ...stripRules(),
  ]);
}

function freeRules({ tabIds, free, freeToPost }: TabClass): NewRule[] {
  if (tabIds?.length === 0) return [];
  const allow = (sites: SiteSet, condition: Partial<Condition>): NewRule[] => {
    const domains = domainsOf(sites);
    if (!domains) return [];
    const tabs = tabIds ? { tabIds: [...tabIds] } : {};
    return [
      {
        priority: priority.free,
        action: { type: "allow" },
        condition: { resourceTypes: navigation, ...domains, ...tabs, ...condition },
      },
    ];
  };
  return [
    ...allow(free, { excludedRequestMethods: ["post"] as Browser.declarativeNetRequest.RequestMethod[] }),
    ...allow(freeToPost, { requestMethods: ["post"] as Browser.declarativeNetRequest.RequestMethod[] }),
  ];
}

/** `undefined` for no site at all, which a condition cannot say. */
function domainsOf(set: SiteSet): Partial<Condition> | undefined {
  if (set.kind === "only") return set.sites.length > 0 ? { requestDomains: [...set.sites] } : undefined;
  return set.sites.length > 0 ? { excludedRequestDomains: [...set.sites] } : {};
}

function headerRules({ headers, headerToken }: Guard): NewRule[] {
  if (headerToken === null) return [];
  if (headers.kind === "tabs") return headers.tabs.flatMap((tab) => tabHeaderRules(headerToken, tab));
  const value = `${headerToken}/${formatAttribution({ kind: "steady", routeId: headers.routeId })}`;
  return [headerRule(value, { resourceTypes: everyType })];
}

/** Each plain request is decided by itself, whatever connection it comes on. */
function tabHeaderRules(token: string, { tabId, page, elsewhere, sites }: TabHeaders): NewRule[] {
  const value = (routeId: RouteId) =>
    `${token}/${formatAttribution({ kind: "tab", tabId, routeId, site: "", own: true })}`;
  const tabIds = [tabId];
  return [
    ...(page === null ? [] : [headerRule(value(page), { tabIds, resourceTypes: partsOfPages })]),
    ...(elsewhere === null ? [] : [headerRule(value(elsewhere), { tabIds, resourceTypes: navigation })]),
    ...sites.map(({ routeId, sites: requestDomains }) => ({
      ...headerRule(value(routeId), {
        tabIds,
        resourceTypes: navigation,
        requestDomains: [...requestDomains],
      }),
      priority: priority.siteHeader,
    })),
  ];
}

/** Never for ws: it travels inside a CONNECT tunnel, where the header would reach the site. */
function headerRule(value: string, condition: Partial<Condition>): NewRule {
  return {
    priority: priority.header,
    action: {
      type: "modifyHeaders",
      requestHeaders: [{ header: ATTRIBUTION_HEADER, operation: "set", value }],
    },
    condition: { regexFilter: "^http://", excludedRequestDomains: [PROBES], ...condition },
  } as NewRule;
}

/** Wherever the companion does not take the header off again, a page's redirect must not carry it. */
function stripRules(): NewRule[] {
  return ["^(https|wss|ws)://", passedBy].map(
    (regexFilter) =>
      ({
        priority: priority.strip,
        action: {
          type: "modifyHeaders",
          requestHeaders: [{ header: ATTRIBUTION_HEADER, operation: "remove" }],
        },
        condition: { regexFilter, resourceTypes: everyType },
      }) as NewRule,
  );
}

function silenceRules(tabIds: readonly number[]): NewRule[] {
  if (tabIds.length === 0) return [];
  return [
    {
      priority: priority.silence,
      action: { type: "block" },
      condition: { tabIds: [...tabIds], resourceTypes: partsOfPages },
    },
  ];
}

function numbered(rules: readonly NewRule[]): Rule[] {
  return rules.map((rule, index) => ({ ...rule, id: index + 1 }));
}
