import { join } from "node:path";
import { startWholeProduct } from "@atlantic/extension/e2e/whole-product.ts";
import { EXTENSION_ID } from "@atlantic/extension/id.ts";
import type { Page } from "playwright-core";
import { codeOfPage } from "../measure/code-size.ts";
import { median } from "../measure/statistics.ts";
import { makeRow } from "../row.ts";
import type { Suite } from "../suite.ts";

const built = join(import.meta.dirname, "../../../extension/.output/chrome-mv3");
/** The popup marks this moment itself, when what it shows can be used. */
const MARK = "atlantic:interactive";
const OPENINGS = 5;

export const popup: Suite = {
  name: "popup",
  about: "the popup in real Chromium, paired with a companion: time to interactive, and the size of its code",
  async run(context) {
    context.progress(`${context.rounds} rounds of ${OPENINGS} openings`);
    const product = await startWholeProduct({ pairing: "ticket" });
    const rounds: number[] = [];
    try {
      const page = await product.openPopup(await product.context.newPage());
      // A page behind another is not drawn, and so never ready.
      await page.bringToFront();
      for (let round = -1; round < context.rounds; round++) {
        const times: number[] = [];
        for (let opening = 0; opening < OPENINGS; opening++) times.push(await openOnce(page));
        if (round >= 0) rounds.push(median(times));
        context.keep(`openings, round ${round}`, times);
      }
    } finally {
      await product.close();
    }
    const files = codeOfPage(built, "popup.html");
    context.keep("files", files);
    const kilobytes = files.reduce((sum, { gzipBytes }) => sum + gzipBytes, 0) / 1000;
    return [
      makeRow({
        suite: "popup",
        case: "opened with a paired companion",
        metric: "time to interactive",
        unit: "ms",
        better: "lower",
        ours: rounds,
        bar: { of: "ours", below: 150 },
      }),
      makeRow({
        suite: "popup",
        case: "scripts and styles, gzipped",
        metric: "code size",
        unit: "kB",
        better: "lower",
        ours: [kilobytes],
        bar: { of: "ours", below: 150 },
      }),
    ];
  },
};

/** @returns milliseconds from the start of the navigation, on the page's own clock */
async function openOnce(page: Page): Promise<number> {
  await page.goto(`chrome-extension://${EXTENSION_ID}/popup.html`);
  const handle = await page.waitForFunction((name) => performance.getEntriesByName(name)[0]?.startTime, MARK);
  return handle.evaluate((startTime) => Number(startTime));
}
