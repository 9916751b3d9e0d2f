import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accessibilityFaults } from "./accessibility.ts";
import { type ColourScheme, openStage, type StagedPage } from "./page-stage.ts";
import { popupStates } from "./popup-models.ts";

const pictures = join(import.meta.dirname, "../../test-results/popup");
const schemes: readonly ColourScheme[] = ["light", "dark"];
/** States whose page about the whole computer says something of its own; the held ones are nothing but that page. */
const withDetails = Object.entries(popupStates).filter(([name]) =>
  /^(protected|programs|computer-(open|connecting|connected|breaches|lockdown-lan|long-upstream))$/.test(
    name,
  ),
);

let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => {
  stage = await openStage();
  await mkdir(pictures, { recursive: true });
});
afterAll(() => stage?.close());

describe.each(schemes)("every state of the popup, %s", (scheme) => {
  let staged: StagedPage;
  beforeAll(async () => {
    staged = await stage.open("popup", scheme);
  });
  afterAll(() => staged?.page.context().close());

  async function check(name: string): Promise<void> {
    const { page } = staged;
    await page.screenshot({ path: join(pictures, `${name}-${scheme}.png`) });
    const size = await page.evaluate(() => {
      const popup = document.querySelector(".popup");
      return { width: popup?.scrollWidth, height: popup?.scrollHeight, page: document.body.scrollHeight };
    });
    expect(size).toEqual({ width: 372, height: 560, page: 560 });
    expect(await accessibilityFaults(page)).toEqual([]);
  }

  it.each(Object.entries(popupStates))("%s fits 372 × 560 and meets WCAG 2.2 AA", async (name, model) => {
    if (model) await staged.show(model);
    else await staged.page.reload();
    await check(name);
  });

  it.each(withDetails)("the details of %s do, too", async (name, model) => {
    if (model) await staged.show(model);
    await staged.page.getByRole("button", { name: /details of this computer/i }).click();
    const back = staged.page.getByRole("button", { name: "Back to this tab" });
    await back.waitFor();
    await check(`${name}-details`);
    await back.click();
  });
});
