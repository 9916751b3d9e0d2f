import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { ATTRIBUTION_HEADER } from "@atlantic/shared/control/attribution.ts";
import { DIRECT, type Route, routeId } from "@atlantic/shared/routing/route.ts";
import { describe, expect, it } from "vitest";
import { filterRules } from "../filter-rules.ts";
import type { Guard } from "../guard.ts";
import { ALL_SITES, NO_SITES } from "../site-set.ts";
import { gateRules, sessionRules } from "./session-rules.ts";

const us: Route = { kind: "exit", exit: { country: "us" } };
const token = "0".repeat(48);

const guard: Guard = {
  classes: [
    { tabIds: [1], free: { kind: "only", sites: ["a.test"] }, freeToPost: ALL_SITES },
    { tabIds: [2], free: NO_SITES, freeToPost: NO_SITES },
  ],
  headerToken: token,
  headers: {
    kind: "tabs",
    tabs: [
      {
        tabId: 1,
        page: routeId(us),
        elsewhere: routeId(us),
        sites: [{ routeId: routeId(DIRECT), sites: ["b.test"] }],
      },
    ],
  },
  silenced: [3],
};

const setting = sessionRules(guard).filter((rule) =>
  rule.action.requestHeaders?.some(({ operation }) => operation === "set"),
);

describe("session rules", () => {
  it("put the secret header on plain http alone: a WebSocket's handshake would carry it to the site", () => {
    expect(setting.length).toBeGreaterThan(0);
    for (const { condition } of setting) expect(condition.regexFilter).toBe("^http://");
  });

  it("take it off again, above all else, wherever the companion would not", () => {
    const strip = sessionRules(guard).filter((rule) =>
      rule.action.requestHeaders?.some(({ operation }) => operation === "remove"),
    );
    const filters = strip.map(({ condition }) => new RegExp(condition.regexFilter ?? ""));
    const isStripped = (url: string) => filters.some((filter) => filter.test(url));
    for (const url of ["https://a.test/", "wss://a.test/", "ws://a.test/"])
      expect(isStripped(url)).toBe(true);
    for (const host of [
      "localhost",
      "x.localhost:3000",
      "127.0.0.1",
      "127.9.8.7:80",
      "[::1]",
      "169.254.169.254",
    ]) {
      expect(isStripped(`http://${host}/`), host).toBe(true);
    }
    expect(isStripped("http://a.test/?u=http://127.0.0.1/")).toBe(false);
    for (const { priority, action } of strip) {
      expect(action.requestHeaders?.[0]?.header).toBe(ATTRIBUTION_HEADER);
      expect(priority).toBe(Math.max(...sessionRules(guard).map((rule) => rule.priority ?? 1)));
    }
  });

  it("set headers more strongly than they let navigations past, or the permission would silence them", () => {
    const allowing = sessionRules(guard).filter(({ action }) => action.type === "allow");
    const strongest = Math.max(...allowing.map(({ priority }) => priority ?? 1));
    for (const { priority } of setting) expect(priority).toBeGreaterThan(strongest);
  });

  it("let nothing past for a class that nothing is free for", () => {
    const allowing = sessionRules(guard).filter(({ action }) => action.type === "allow");
    expect(allowing.some(({ condition }) => condition.tabIds?.includes(2))).toBe(false);
    expect(allowing.every(({ condition }) => condition.tabIds?.length === 1)).toBe(true);
  });

  it("without a token attribute nothing", () => {
    const rules = sessionRules({ ...guard, headerToken: null });
    expect(rules.some((rule) => JSON.stringify(rule).includes('"set"'))).toBe(false);
  });

  it("silence the parts of a blocked page", () => {
    const [block] = sessionRules(guard).filter(({ action }) => action.type === "block");
    expect(block?.condition).toMatchObject({ tabIds: [3] });
    expect(block?.condition.resourceTypes).toContain("websocket");
  });
});

describe("the gate", () => {
  it("is weaker than every permission and knows a form from a link", () => {
    const rules = gateRules("chrome-extension://x/gate.html");
    expect(rules.map(({ action }) => action.redirect?.regexSubstitution)).toEqual([
      "chrome-extension://x/gate.html#\\0",
      "chrome-extension://x/gate.html?sent#\\0",
    ]);
    const permissions = sessionRules(guard).filter(({ action }) => action.type === "allow");
    const weakest = Math.min(...permissions.map(({ priority }) => priority ?? 1));
    for (const { priority } of rules) expect(priority).toBeLessThan(weakest);
  });

  it("is stronger than anything that a list or the person says of what is filtered", () => {
    const said = { isOn: true, lists: [], unfiltered: ["a.test"], allowed: ["b.test"], blocked: ["c.test"] };
    const strongest = Math.max(
      RULE_WEIGHT.listsEnd,
      ...filterRules(said).map(({ priority }) => priority ?? 1),
    );
    const ours = [...gateRules("chrome-extension://x/gate.html"), ...sessionRules(guard)];
    for (const { priority } of ours) expect(priority).toBeGreaterThan(strongest);
  });
});
