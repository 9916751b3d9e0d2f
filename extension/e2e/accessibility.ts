import axeCore from "axe-core";
import type { Page } from "playwright-core";

const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe finds against WCAG 2.2 AA in the page as it stands: the rule and the elements that break it. */
export async function accessibilityFaults(page: Page): Promise<readonly string[]> {
  // Once a page: it is half a megabyte.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axeCore.source);
  const { violations } = await page.evaluate((tags) => {
    const { axe } = globalThis as unknown as { axe: typeof axeCore };
    return axe.run({ runOnly: tags });
  }, rules);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
