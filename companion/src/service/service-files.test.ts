import { expect, test } from "vitest";
import { serviceFiles } from "./service-files.ts";

/** A unit's settings by name, the last of each; comments left out. */
function settingsOf(unit: string): Map<string, string> {
  const text = serviceFiles("").find(({ path }) => path.endsWith(`/${unit}`))?.text ?? "";
  return new Map([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

test("the daemon says when it is ready, may take its time to start, and is started again when it hangs", () => {
  const unit = settingsOf("atlanticd.service");
  expect(unit.get("Type")).toBe("notify");
  expect(unit.get("NotifyAccess")).toBe("main");
  expect(unit.get("Restart")).toBe("always");
  expect(Number(unit.get("TimeoutStartSec"))).toBeGreaterThanOrEqual(120);
  expect(Number(unit.get("WatchdogSec"))).toBeGreaterThanOrEqual(30);
  expect(unit.get("WatchdogSignal")).toBe("SIGKILL");
  expect(unit.get("RestrictAddressFamilies")).toContain("AF_UNIX");
});

test("no start waits for another that waits for it: early boot, holder, daemon, and the network after the first two", () => {
  const order = (unit: string, name: string) => settingsOf(unit).get(name)?.split(" ") ?? [];
  for (const unit of ["atlantic-early-boot.service", "atlantic-fw.service"]) {
    expect(order(unit, "Before")).toContain("network-pre.target");
    expect([...order(unit, "After"), ...order(unit, "Wants")].join()).not.toMatch(
      /atlanticd|network-online|nss-lookup/,
    );
  }
  const daemon = "atlanticd.service";
  expect(order(daemon, "After")).toContain("atlantic-fw.service");
  expect(order(daemon, "Before")).toEqual([]);
  expect(order(daemon, "After").join()).not.toMatch(/network|nss-lookup|multi-user/);
});
