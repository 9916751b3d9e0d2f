import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { ClearError } from "../clear-error.ts";
import { DesktopSettings } from "./desktop-settings.ts";
import type { DesktopStore, DesktopValues } from "./desktop-store.ts";

const folder = mkdtempSync(join(tmpdir(), "atl-desktop-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const recordPath = () => join(folder, `${files++}`, "system-proxy.json");

const AT = { host: "127.0.0.1", port: 9151 };
const WANTED: DesktopValues = new Map([
  ["host", "127.0.0.1"],
  ["port", "9151"],
  ["script", null],
  ["mode", "manual"],
]);

/** The process ends in the middle of a write: nothing after it runs. */
class Crash extends Error {}

/** A desktop in memory, whose writes can stop after so many values. */
function desktop(before: DesktopValues, name = "Test") {
  const values = new Map([...before].filter(([, value]) => value !== null));
  const it = { values, writes: Number.POSITIVE_INFINITY, deaf: false, locked: false };
  const store: DesktopStore = {
    kind: "gnome",
    name,
    read: async () => {
      if (it.locked) throw new ClearError(`${name} is locked.`);
      return new Map(values);
    },
    wanted: () => WANTED,
    write: async (changes) => {
      for (const [key, value] of changes) {
        if (it.deaf) continue;
        if (it.writes-- <= 0) throw new Crash();
        if (value === null) values.delete(key);
        else values.set(key, value);
      }
    },
  };
  return { ...it, it, store, values };
}

const value = fc.option(fc.constantFrom("127.0.0.1", "9151", "manual", "none", "proxy.corp", ""), {
  nil: null,
});
const before = fc
  .record({ host: value, port: value, script: value, mode: value, other: value })
  .map((record) => new Map(Object.entries(record)));

test("whatever was there comes back, wherever the companion died on the way there or back", async () => {
  await fc.assert(
    fc.asyncProperty(before, fc.nat(5), fc.nat(5), async (was, dieAfter, dieAgainAfter) => {
      const { it, store, values } = desktop(was);
      const path = recordPath();
      const expected = new Map(values);
      const begin = () => new DesktopSettings(path, () => store);
      it.writes = dieAfter;
      // Dying is dying: what `point` does on an error finds a store that does nothing any more.
      await begin()
        .point(["gnome"], AT)
        .catch(() => {});
      it.writes = dieAgainAfter;
      await begin()
        .restore()
        .catch(() => {});
      it.writes = Number.POSITIVE_INFINITY;
      await begin().restore();
      expect(values).toEqual(expected);
      expect(begin().isChanged).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test("what somebody else sets while programs are led to the proxy is never overwritten", async () => {
  await fc.assert(
    fc.asyncProperty(
      before,
      fc.dictionary(fc.constantFrom("host", "port", "script", "mode", "other"), fc.constantFrom("x", "y")),
      async (was, theirs) => {
        const { store, values } = desktop(was);
        const original = new Map(values);
        const settings = new DesktopSettings(recordPath(), () => store);
        await settings.point(["gnome"], AT);
        for (const [name, set] of Object.entries(theirs)) values.set(name, set);
        await settings.restore();
        for (const name of ["host", "port", "script", "mode", "other"]) {
          expect(values.get(name)).toBe(theirs[name] ?? original.get(name));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("the settings that were there are on disk before anything changes", async () => {
  const { store } = desktop(new Map([["mode", "auto"]]));
  const path = recordPath();
  const settings = new DesktopSettings(path, () => ({
    ...store,
    write: async (values) => {
      expect(settings.isChanged).toBe(true);
      await store.write(values);
    },
  }));
  expect(settings.isChanged).toBe(false);
  await settings.point(["gnome"], AT);
  expect(await settings.restore()).toEqual({ desktops: ["Test"], left: [] });
  expect(await settings.restore()).toBeNull();
});

test("a desktop that takes nothing and says that all is well is found out", async () => {
  const { it, store, values } = desktop(new Map([["mode", "none"]]));
  it.deaf = true;
  const settings = new DesktopSettings(recordPath(), () => store);
  await expect(settings.point(["gnome"], AT)).rejects.toThrow(/did not take the proxy settings \(host, port/);
  expect(values).toEqual(new Map([["mode", "none"]]));
  expect(settings.isChanged).toBe(false);
});

test("of two desktops the one that is locked is said, the other is pointed; with none left nothing changes", async () => {
  const gnome = desktop(new Map(), "GNOME");
  const kde = desktop(new Map(), "KDE");
  kde.it.locked = true;
  const stores = { gnome: gnome.store, kde: { ...kde.store, kind: "kde" as const } };
  const settings = new DesktopSettings(recordPath(), (kind) => (kind === "kde" ? stores.kde : stores.gnome));
  expect(await settings.point(["kde", "gnome"], AT)).toEqual({
    desktops: ["GNOME"],
    problems: ["KDE is locked."],
  });
  await settings.restore();
  await expect(settings.point(["kde"], AT)).rejects.toThrow("KDE is locked.");
  expect(settings.isChanged).toBe(false);
});

test("a damaged record is told, and nothing is touched", async () => {
  const { store, values } = desktop(new Map([["mode", "manual"]]));
  const path = recordPath();
  const settings = new DesktopSettings(path, () => store);
  await settings.point(["gnome"], AT);
  const now = new Map(values);
  writeFileSync(path, '{"version":1');
  await expect(settings.restore()).rejects.toThrow(/is damaged.*network settings/);
  await expect(settings.point(["gnome"], AT)).rejects.toThrow(/is damaged/);
  expect(values).toEqual(now);
});
