import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PopupModel } from "../src/messages.ts";
import { accessibilityFaults } from "./accessibility.ts";
import { openStage } from "./page-stage.ts";
import { demonstration, popupStates, protectedModel } from "./popup-models.ts";

const pictures = join(import.meta.dirname, "../../test-results/options");

const rules: NonNullable<PopupModel["rules"]> = [
  {
    scope: { kind: "site", site: "news.example" },
    route: { kind: "exit", exit: { country: "us", city: "new_york" } },
  },
  { scope: { kind: "site", site: "shop.example" }, route: { kind: "block" } },
  { scope: { kind: "everything" }, route: { kind: "direct" } },
];

let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => {
  stage = await openStage();
  await mkdir(pictures, { recursive: true });
});
afterAll(() => stage?.close());

describe("the settings page", () => {
  it.each(["light", "dark"] as const)("lists rules and limits, %s, and meets WCAG 2.2 AA", async (scheme) => {
    const { page, show } = await stage.open("options", scheme);
    await show({ ...protectedModel, rules });
    await page.getByText("What this extension cannot hold").waitFor();
    await page.screenshot({ path: join(pictures, `rules-${scheme}.png`), fullPage: true });
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.context().close();
  });

  it("names each rule's site on a window of 320 pixels", async () => {
    const { page, show } = await stage.open("options", "light");
    await page.setViewportSize({ width: 320, height: 700 });
    await show({ ...protectedModel, exits: demonstration, rules });
    const name = page.getByText("news.example", { exact: true });
    await name.waitFor();
    const { shown, whole } = await name.evaluate((e) => ({ shown: e.clientWidth, whole: e.scrollWidth }));
    expect(shown).toBeGreaterThan(60);
    expect(whole).toBe(shown);
    await page.screenshot({ path: join(pictures, "rules-narrow.png"), fullPage: true });
    await page.context().close();
  });

  it("takes a rule back, and offers that only where there is one", async () => {
    const { page, show, commands } = await stage.open("options", "light");
    await show({ ...protectedModel, rules });
    await page.getByRole("button", { name: "Remove the rule for shop.example" }).click();
    expect(await commands()).toEqual([{ kind: "forget", scope: { kind: "site", site: "shop.example" } }]);
    expect(await page.getByRole("button", { name: /^Remove/ }).count()).toBe(2);
    await page.context().close();
  });

  it.each(["lost", "conflict", "first-run", "pairing", "computer-leak", "computer-connected"])(
    "says what is wrong when %s",
    async (name) => {
      const { page, show } = await stage.open("options", "light");
      const model = popupStates[name];
      if (model) await show(model);
      await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
      expect(await accessibilityFaults(page)).toEqual([]);
      await page.context().close();
    },
  );
});
