import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EXTENSION_ID } from "../id.ts";
import { startWholeProduct, type WholeProduct } from "./whole-product.ts";

const ECHO = "http://echo.atlantic.test/";

async function addressSeenBy(tab: Page): Promise<string> {
  await tab.goto(ECHO);
  return (
    (await tab
      .getByText(/^127\.1\.\d+\.\d+$/)
      .first()
      .textContent()) ?? ""
  );
}

describe("the popup of the whole product", () => {
  let product: WholeProduct;
  let tab: Page;
  let popup: Page;

  beforeAll(async () => {
    product = await startWholeProduct({ pairing: "ticket" });
  });
  afterAll(() => product?.close());
  beforeEach(async () => {
    tab = await product.context.newPage();
    await tab.goto(ECHO).catch(() => {});
    popup = await product.openPopup(tab);
    await popup.getByRole("radio", { name: "This tab", checked: true }).waitFor();
  });
  afterEach(async () => {
    await popup.close();
    await tab.close();
  });

  it("sends this tab through Berlin by keyboard, and shows the very address that the site saw", async () => {
    await popup.getByRole("combobox").fill("berlin");
    // The exits come from the companion, and nobody chooses what is not there yet.
    await popup.getByRole("option", { name: "Berlin" }).waitFor();
    await popup.getByRole("combobox").press("Enter");
    await popup.getByRole("heading", { name: "Berlin, Germany" }).waitFor();
    await popup.getByText("because you chose").waitFor();
    const seen = await addressSeenBy(tab);
    expect(seen).toMatch(/^127\.1\.2\./);
    await popup.getByLabel("This tab", { exact: true }).getByText(seen).waitFor();
    await popup.getByText("Exit in use").waitFor();
  });

  it("gets this tab another address when asked", async () => {
    await popup.getByRole("option", { name: "Tokyo" }).click();
    await popup.getByRole("heading", { name: "Tokyo, Japan" }).waitFor();
    const first = await addressSeenBy(tab);
    await popup.getByRole("button", { name: "New address", disabled: false }).click();
    await popup.getByRole("button", { name: "New address", disabled: false }).waitFor();
    await expect.poll(() => addressSeenBy(tab)).not.toBe(first);
  });

  it("blocks this tab, also where exits were switched off, and forgets that again", async () => {
    const exits = popup.getByRole("switch", { name: "Use exits" });
    if (await exits.isChecked()) await exits.click();
    await popup.getByRole("switch", { name: "Use exits", checked: false }).waitFor();
    await popup.getByRole("option", { name: "Block" }).click();
    await popup.getByRole("heading", { name: "Nothing leaves this tab" }).waitFor();
    const answers: string[] = [];
    tab.on("response", (response) => response.ok() && answers.push(response.url()));
    // The gate's page may come in its place.
    await tab.goto(ECHO).catch(() => {});
    await tab.getByText("You chose to block this").waitFor();
    expect(answers.filter((url) => url.startsWith(ECHO))).toEqual([]);
    await popup.getByRole("button", { name: "Forget this choice" }).click();
    await popup.getByRole("heading", { name: "Nothing leaves this tab" }).waitFor({ state: "detached" });
  });

  it("says that the companion is gone, and comes back with it", async () => {
    await popup.getByRole("option", { name: "New York" }).click();
    await popup.getByRole("heading", { name: "New York, United States" }).waitFor();
    await product.companion.kill();
    await popup.getByRole("heading", { name: "The companion is gone" }).waitFor();
    await popup.getByText("your own address is not used in their place").waitFor();
    await product.companion.startAgain();
    await popup
      .getByRole("button", { name: "Try again" })
      .click({ timeout: 5_000 })
      .catch(() => {});
    await popup.getByRole("heading", { name: "New York, United States" }).waitFor();
  });

  it("keeps the look's letters in a page of the extension", async () => {
    expect(await popup.evaluate(() => getComputedStyle(document.body).fontSize)).toBe("13px");
  });

  it("marks when it can be used, for the bench", async () => {
    await popup.goto(`chrome-extension://${EXTENSION_ID}/popup.html`);
    await popup.waitForFunction(() => performance.getEntriesByName("atlantic:interactive").length === 1);
    expect(await popup.getByRole("combobox").isEnabled()).toBe(true);
  });

  it("is less than 150 kB of code, gzipped", async () => {
    const chunks = join(product.extension, "chunks");
    const names = (await readdir(chunks)).filter((name) => !name.startsWith("options"));
    const sizes = await Promise.all(
      names.map(async (name) => gzipSync(await readFile(join(chunks, name))).length),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  });
});

describe("the first run", () => {
  it("asks for the companion when there is none to be found", async () => {
    const product = await startWholeProduct({ pairing: "none" });
    const popup = await product.openPopup(await product.context.newPage());
    await popup.getByRole("heading", { name: "Two steps, then browse" }).waitFor();
    await popup.getByText("npm start").waitFor();
    await product.close();
  });

  it("pairs by six words that are the same on both sides", async () => {
    const product = await startWholeProduct({ pairing: "words" });
    const popup = await product.openPopup(await product.context.newPage());
    await popup.getByRole("button", { name: "They match", disabled: false }).waitFor();
    const [pending] = await product.companion.control.request("pair.pending", {});
    await popup.getByText(pending?.words.join(" · ") ?? "no words").waitFor();
    await popup.getByRole("button", { name: "They match" }).click();
    await popup.getByRole("listbox", { name: "Exits" }).waitFor();
    await product.close();
  });
});
