import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accessibilityFaults } from "./accessibility.ts";
import { type ColourScheme, openStage } from "./page-stage.ts";
import { popupStates } from "./popup-models.ts";

const pictures = join(import.meta.dirname, "../../test-results/popup");
const schemes: readonly ColourScheme[] = ["light", "dark"];

let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => {
  stage = await openStage();
  await mkdir(pictures, { recursive: true });
});
afterAll(() => stage?.close());

describe.each(schemes)("every state of the popup, %s", (scheme) => {
  it.each(Object.entries(popupStates))("%s fits 372 × 560 and meets WCAG 2.2 AA", async (name, model) => {
    const { page, show } = await stage.open("popup", scheme);
    if (model) await show(model);
    await page.screenshot({ path: join(pictures, `${name}-${scheme}.png`) });
    const size = await page.evaluate(() => {
      const popup = document.querySelector(".popup");
      return { width: popup?.scrollWidth, height: popup?.scrollHeight, page: document.body.scrollHeight };
    });
    expect(size).toEqual({ width: 372, height: 560, page: 560 });
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.context().close();
  });
});
