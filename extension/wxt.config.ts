import { BUILT_IN_LISTS } from "@atlantic/shared/blocking/built-in-list.ts";
import { defineConfig } from "wxt";
import { EXTENSION_PUBLIC_KEY, FIREFOX_EXTENSION_ID } from "./id.ts";
import { builtAddressRules, builtRuleset, ensureRulesets, rulesetsOf } from "./rulesets/ensure-rulesets.ts";
import { addressRulesPath, rulesetPath } from "./src/engine/rulesets.ts";

const sizes = [16, 32, 48, 128];
const icons = Object.fromEntries(sizes.map((size) => [size, `icons/off-${size}.png`]));

const permissions = [
  "alarms",
  "declarativeNetRequestWithHostAccess",
  "nativeMessaging",
  "privacy",
  "proxy",
  "scripting",
  "storage",
  "tabs",
  "webNavigation",
  "webRequest",
];

const familyOf = (browser: string) => (browser === "firefox" ? "firefox" : "chrome");

export default defineConfig({
  srcDir: "src",
  // Tests build into directories of their own, so that no build takes another's files away.
  outDir: process.env.ATLANTIC_EXTENSION_OUT ?? ".output",
  publicDir: "public",
  imports: false,
  modules: ["@wxt-dev/module-react"],
  hooks: {
    async "build:publicAssets"(wxt, files) {
      await ensureRulesets();
      const family = familyOf(wxt.config.browser);
      for (const id of rulesetsOf(family))
        files.push({ absoluteSrc: builtRuleset(family, id), relativeDest: rulesetPath(id) });
      if (family === "firefox")
        for (const list of BUILT_IN_LISTS)
          files.push({ absoluteSrc: builtAddressRules(list), relativeDest: addressRulesPath(list) });
    },
  },
  manifest: ({ browser }) => ({
    name: "Atlantic Proxy",
    description: "Send each tab through a place of its own, and see why.",
    icons,
    action: { default_title: "Atlantic Proxy", default_icon: icons },
    host_permissions: ["<all_urls>"],
    incognito: "spanning",
    // None is on before the companion has said which lists are in use.
    declarative_net_request: {
      rule_resources: rulesetsOf(familyOf(browser)).map((id) => ({
        id,
        enabled: false,
        path: rulesetPath(id),
      })),
    },
    web_accessible_resources: [{ resources: ["gate.html"], matches: ["<all_urls>"] }],
    commands: {
      _execute_action: { suggested_key: { default: "Alt+Shift+A" } },
    },
    ...(browser === "firefox"
      ? {
          permissions: [...permissions, "webRequestBlocking"],
          browser_specific_settings: {
            gecko: {
              id: FIREFOX_EXTENSION_ID,
              strict_min_version: "140.0",
              data_collection_permissions: { required: ["authenticationInfo", "browsingActivity"] },
            },
          },
        }
      : {
          key: EXTENSION_PUBLIC_KEY,
          minimum_chrome_version: "126",
          permissions: [...permissions, "webRequestAuthProvider"],
        }),
  }),
});
