import type { ExitView } from "@atlantic/shared/control/messages.ts";
import type { PopupModel } from "../src/messages.ts";
import { computers } from "./computer-models.ts";

/** A moment for every picture, so that what is shown does not depend on the clock. */
export const NOW = Date.UTC(2026, 10, 23, 14, 2, 11);

function exit(
  country: string,
  city: string,
  label: string,
  network: string,
  latencyMs: number | null,
): ExitView {
  return {
    id: `${country}-${city}`,
    exit: { country, city },
    label,
    network,
    demonstration: network === "demonstration",
    latencyMs,
  };
}

export const residential: readonly ExitView[] = [
  exit("de", "berlin", "Berlin, Germany", "residential", 42),
  exit("us", "new_york", "New York, United States", "residential", 96),
  exit("jp", "tokyo", "Tokyo, Japan", "datacenter", 238),
  exit("br", "sao_paulo", "São Paulo, Brazil", "residential", null),
];

export const demonstration: readonly ExitView[] = [
  exit("us", "new_york", "New York, United States", "demonstration", 1),
  exit("de", "berlin", "Berlin, Germany", "demonstration", 1),
  exit("jp", "tokyo", "Tokyo, Japan", "demonstration", 1),
];

const berlin = { kind: "exit", exit: { country: "de", city: "berlin" } } as const;

/** A browser at work: Berlin for this tab, and another exit in another tab. */
export const protectedModel: PopupModel = {
  link: { kind: "ready" },
  enabled: true,
  conflict: null,
  tab: {
    tabId: 7,
    site: "shop.example",
    route: berlin,
    because: "tab",
    isInForce: true,
    sentence: "This tab leaves from Berlin because you chose it for this tab.",
  },
  exits: residential,
  session: { startedAt: NOW - 138_000, expiresAt: NOW + 462_000, address: "203.0.113.24", problem: null },
  live: { tabs: 3, exits: 2 },
  ads: { site: "shop.example", blocked: true },
  usage: {
    sentBytes: 1_204_113n,
    receivedBytes: 37_010_794n,
    remainingBytes: 5_870_000_000n,
    allowanceBytes: 10_000_000_000n,
  },
  protection: null,
  programs: null,
  warnings: [],
};

const tab = protectedModel.tab;
const started = { ...protectedModel, session: null, live: { tabs: 1, exits: 0 } };

function withTab(model: PopupModel, change: Partial<NonNullable<PopupModel["tab"]>>): PopupModel {
  return tab ? { ...model, tab: { ...tab, ...change } } : model;
}

const computerStates = Object.fromEntries(
  Object.entries(computers(NOW)).map(([name, protection]): [string, PopupModel] => [
    `computer-${name}`,
    { ...protectedModel, protection },
  ]),
);

/** Every state that the popup can be in, by the name of its picture. `null`: the background has not answered. */
export const popupStates: Readonly<Record<string, PopupModel | null>> = {
  connecting: null,
  protected: protectedModel,
  demonstration: {
    ...protectedModel,
    exits: demonstration,
    session: { startedAt: NOW, expiresAt: NOW + 600_000, address: "127.1.2.24", problem: null },
  },
  unchecked: {
    ...protectedModel,
    session: { startedAt: NOW, expiresAt: null, address: null, problem: null },
  },
  "by-site": withTab(protectedModel, {
    because: "site",
    sentence: "This tab leaves from Berlin because you chose it for shop.example.",
  }),
  "long-names": withTab(
    {
      ...protectedModel,
      exits: [
        exit("de", "berlin", "Llanfairpwllgwyngyllgogerychwyrndrobwll, United Kingdom", "residential", 1042),
      ],
    },
    { site: "a-very-long-registrable-domain-name-of-a-shop.example" },
  ),
  direct: withTab(started, {
    route: { kind: "direct" },
    because: "everything",
    sentence: "This tab goes directly because no exit was chosen for it.",
  }),
  off: withTab(
    { ...started, enabled: false },
    { route: { kind: "direct" }, because: "off", sentence: "Exits are off, so every tab goes directly." },
  ),
  switching: withTab(protectedModel, { isInForce: false }),
  blocking: withTab(started, {
    route: { kind: "block" },
    because: "tab",
    isInForce: false,
    sentence: "This tab is blocked because you chose it for this tab.",
  }),
  blocked: withTab(started, {
    route: { kind: "block" },
    because: "tab",
    sentence: "This tab is blocked because you chose it for this tab.",
  }),
  "no-answer": {
    ...protectedModel,
    session: {
      startedAt: NOW,
      expiresAt: NOW + 462_000,
      address: null,
      problem: "Berlin does not answer, so this tab is held back. Choose another exit, or try again.",
    },
  },
  lost: {
    ...protectedModel,
    link: { kind: "lost", since: NOW - 4_000, problem: "The companion stopped at 14:02." },
    live: { tabs: 0, exits: 0 },
  },
  conflict: {
    ...started,
    conflict:
      "Another extension, Example VPN, holds the proxy setting, so exits are not used. Switch it off on chrome://extensions, then try again.",
  },
  "browser-page": { ...started, tab: null },
  "new-tab": withTab(started, {
    site: null,
    sentence: "This tab goes through Berlin, Germany because you chose so for this tab.",
  }),
  warnings: {
    ...protectedModel,
    warnings: [
      "Pictures of other sites can fail while two exits are in use. Run `npm run browser -- --policy` to mend that.",
      "Two tabs of shop.example use different exits.",
    ],
  },
  ...computerStates,
  "computer-warnings": {
    ...protectedModel,
    protection: computers(NOW).breaches ?? null,
    warnings: ["Two tabs of shop.example use different exits."],
  },
  "computer-lost": {
    ...protectedModel,
    link: { kind: "lost", since: NOW - 4_000, problem: "The companion stopped at 14:02." },
    live: { tabs: 0, exits: 0 },
    protection: computers(NOW).connected ?? null,
  },
  programs: { ...protectedModel, programs: "New York, United States" },
  "no-exits": { ...started, exits: [], usage: null },
  "first-run": {
    ...started,
    link: { kind: "absent", problem: "No companion answers on this computer yet." },
    tab: null,
  },
  "pairing-waits": { ...started, link: { kind: "unpaired", words: null }, tab: null },
  pairing: {
    ...started,
    link: { kind: "unpaired", words: ["harbour", "violet", "nine", "lantern", "drift", "cobalt"] },
    tab: null,
  },
};
