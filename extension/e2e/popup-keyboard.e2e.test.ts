import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PopupModel } from "../src/messages.ts";
import { openStage, type StagedPage } from "./page-stage.ts";
import { NOW, popupStates, protectedModel } from "./popup-models.ts";

let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage?.close());

async function withPopup(model: PopupModel, drive: (staged: StagedPage) => Promise<void>): Promise<void> {
  const staged = await stage.open("popup", "light");
  await staged.show(model);
  await drive(staged);
  await staged.page.context().close();
}

function state(name: string): PopupModel {
  const model = popupStates[name];
  if (!model) throw new Error(`no state ${name}`);
  return model;
}

describe("the popup by keyboard alone", () => {
  it("finds an exit by typing as soon as it opens, without accents, and chooses it with Enter", () =>
    withPopup(protectedModel, async ({ page, commands }) => {
      await page.keyboard.type("sao");
      await page.getByRole("option", { name: "São Paulo" }).waitFor();
      expect(await page.getByRole("option").count()).toBe(1);
      await page.keyboard.press("Enter");
      const route = { kind: "exit", exit: { country: "br", city: "sao_paulo" } };
      expect(await commands()).toEqual([{ kind: "choose", scope: { kind: "tab", tabId: 7 }, route }]);
      expect(await page.getByRole("combobox").inputValue()).toBe("");
    }));

  it.each([
    ["country", "japan", "Tokyo"],
    ["network", "datacenter", "Tokyo"],
    ["country code", "us", "New York"],
  ])("finds an exit by its %s", (_, typed, place) =>
    withPopup(protectedModel, async ({ page }) => {
      await page.keyboard.type(typed);
      await page.getByRole("option", { name: place }).waitFor();
    }),
  );

  it("walks the list with the arrow keys and names the active line to assistive technology", () =>
    withPopup(protectedModel, async ({ page, commands }) => {
      for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"]) await page.keyboard.press(key);
      expect(await page.getByRole("combobox").getAttribute("aria-activedescendant")).toBe("exit-us-new_york");
      await page.keyboard.press("Enter");
      expect(await commands()).toMatchObject([{ kind: "choose", route: { exit: { country: "us" } } }]);
    }));

  it("offers no exit and block below the exits, and says so when nothing matches", () =>
    withPopup(protectedModel, async ({ page, commands }) => {
      await page.keyboard.type("block");
      await page.keyboard.press("Enter");
      expect(await commands()).toMatchObject([{ kind: "choose", route: { kind: "block" } }]);
      await page.keyboard.type("nowhere");
      await page.getByText("No exit matches “nowhere”").waitFor();
      await page.keyboard.press("Escape");
      expect(await page.getByRole("option").count()).toBe(6);
    }));

  it("picks what a choice applies to with the arrow keys", () =>
    withPopup(protectedModel, async ({ page, commands }) => {
      await page.getByRole("radio", { name: "This tab" }).focus();
      await page.keyboard.press("ArrowRight");
      await page.getByRole("radio", { name: "shop.example", checked: true }).waitFor();
      await page.getByRole("combobox").focus();
      await page.keyboard.type("tokyo");
      await page.keyboard.press("Enter");
      expect(await commands()).toMatchObject([
        { kind: "choose", scope: { kind: "site", site: "shop.example" } },
      ]);
    }));

  it("lets ads through on this site by the space bar", () =>
    withPopup(protectedModel, async ({ page, commands }) => {
      await page.getByRole("switch", { name: "Block ads on shop.example" }).focus();
      await page.keyboard.press("Space");
      expect(await commands()).toContainEqual({ kind: "blockAds", site: "shop.example", on: false });
    }));

  it("reaches every control with Tab, in the order of the eye", () =>
    withPopup(protectedModel, async ({ page }) => {
      await page.getByRole("button", { name: "Settings" }).focus();
      const order: string[] = [];
      for (let step = 0; step < 8; step++) {
        order.push(
          await page.evaluate(() => {
            const element = document.activeElement;
            const label = element?.closest("label")?.textContent;
            return element?.getAttribute("aria-label") ?? label ?? element?.textContent ?? "";
          }),
        );
        await page.keyboard.press("Tab");
      }
      expect(order).toEqual([
        "Settings",
        "Use exits",
        "Forget this choice",
        "This tab",
        "Find an exit",
        "Block ads on shop.example",
        "New address",
        "Details of this computer",
      ]);
    }));

  it("turns exits off and on with the space bar and shows only what the background says", () =>
    withPopup(protectedModel, async ({ page, show, commands }) => {
      const toggle = page.getByRole("switch", { name: "Use exits" });
      await toggle.focus();
      await page.keyboard.press("Space");
      expect(await commands()).toEqual([{ kind: "enable", on: false }]);
      expect(await toggle.getAttribute("aria-checked")).toBe("true");
      await show(state("off"));
      expect(await toggle.getAttribute("aria-checked")).toBe("false");
    }));
});

describe("what the popup tells the background", () => {
  it("takes back the rule that decides for this tab", () =>
    withPopup(state("by-site"), async ({ page, commands }) => {
      await page.getByRole("button", { name: "Forget this choice" }).click();
      expect(await commands()).toEqual([{ kind: "forget", scope: { kind: "site", site: "shop.example" } }]);
    }));

  it("asks for a new address once, and again only after it has come", () =>
    withPopup(protectedModel, async ({ page, show, commands }) => {
      await page.getByRole("button", { name: "New address" }).click();
      await page.getByRole("button", { name: "Changing…", disabled: true }).waitFor();
      expect(await commands()).toEqual([{ kind: "rotate" }]);
      const session = {
        startedAt: NOW + 1,
        expiresAt: NOW + 600_001,
        address: "203.0.113.99",
        problem: null,
      };
      await show({ ...protectedModel, session });
      await page.getByRole("button", { name: "New address", disabled: false }).waitFor();
      await page.getByText("203.0.113.99").waitFor();
    }));

  it("pairs when the words match, and pairs nothing when they differ", async () => {
    await withPopup(state("pairing"), async ({ page, commands }) => {
      await page.getByRole("button", { name: "They match" }).click();
      await page.getByRole("button", { name: "Pairing…", disabled: true }).waitFor();
      expect(await commands()).toEqual([{ kind: "pair", accepted: true }]);
    });
    await withPopup(state("pairing"), async ({ page, commands }) => {
      await page.getByRole("button", { name: "They differ" }).click();
      await page.getByText("Nothing was paired.").waitFor();
      await page.getByRole("button", { name: "Ask for new words" }).click();
      expect(await commands()).toEqual([{ kind: "pair", accepted: false }, { kind: "retry" }]);
    });
  });

  it("shows a failed command until it is dismissed", () =>
    withPopup(protectedModel, async ({ page, post }) => {
      await post({ kind: "problem", sentence: "The gateway refused a new address. Try again in a minute." });
      await page.getByRole("alert").getByText("The gateway refused").waitFor();
      await page.getByRole("button", { name: "Dismiss" }).click();
      expect(await page.getByRole("alert").count()).toBe(0);
    }));

  it("connects the whole computer, but offers nowhere to open it", () =>
    withPopup(state("computer-locked"), async ({ page, commands }) => {
      await page.getByRole("heading", { name: "Nothing leaves this computer" }).waitFor();
      expect(await page.getByRole("button", { name: /open|unlock|disconnect/i }).count()).toBe(0);
      await page.getByText("sudo atlantic disconnect").waitFor();
      await page.getByRole("button", { name: "Connect" }).click();
      expect(await commands()).toEqual([{ kind: "protect" }]);
    }));

  it("shows the details of the computer and comes back to the tab", () =>
    withPopup(state("computer-connected"), async ({ page, commands }) => {
      await page.getByRole("button", { name: "Details of this computer" }).press("Enter");
      await page.locator(":focus").getByText("Back to this tab").waitFor();
      await page.getByText("Everything that leaves this computer goes through Oxylabs, Germany").waitFor();
      await page.getByRole("button", { name: "Check now" }).press("Enter");
      expect(await commands()).toEqual([{ kind: "validate" }]);
      await page.getByRole("button", { name: "Back to this tab" }).press("Enter");
      await page.getByRole("heading", { name: "Berlin, Germany" }).waitFor();
    }));

  it("says a leak with its evidence, and that blocking failed, in words", async () => {
    await withPopup(state("computer-leak"), async ({ page }) => {
      await page
        .getByRole("list", { name: "What was found" })
        .getByText("left by eth0, past the tunnel")
        .waitFor();
      await page.getByText("atlantic leaks").waitFor();
    });
    await withPopup(state("computer-blocking-failed"), async ({ page }) => {
      await page.getByRole("status").getByText("Not protected").waitFor();
      await page.getByText("sites may see this computer's own address").waitFor();
    });
  });

  it("applies a choice made on a page of the browser itself to everything", () =>
    withPopup(state("browser-page"), async ({ page, commands }) => {
      expect(await page.getByRole("radio", { name: "This tab" }).isDisabled()).toBe(true);
      await page.getByRole("option", { name: "Berlin" }).click();
      expect(await commands()).toMatchObject([{ kind: "choose", scope: { kind: "everything" } }]);
    }));
});

describe("the popup keeps its place", () => {
  it.each([
    "direct",
    "off",
    "blocked",
    "by-site",
    "unchecked",
    "connecting",
    "computer-connecting",
    "computer-failover",
  ])("nothing below the headline moves between protected and %s", async (name) => {
    const staged = await stage.open("popup", "light");
    const top = () =>
      staged.page.evaluate(() => document.querySelector(".scope")?.getBoundingClientRect().top);
    const model = popupStates[name];
    if (model) await staged.show(model);
    const before = await top();
    await staged.show(protectedModel);
    expect(await top()).toBe(before);
    await staged.page.context().close();
  });
});
