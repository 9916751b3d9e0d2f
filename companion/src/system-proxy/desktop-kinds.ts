import type { DesktopKind } from "@atlantic/shared/control/system-proxy.ts";
import type { DesktopStore } from "./desktop-store.ts";
import { gnomeStore } from "./gnome-store.ts";
import { kdeStore } from "./kde-store.ts";
import { macosStore } from "./macos-store.ts";
import type { RunCommand } from "./run-command.ts";
import { windowsStore } from "./windows-store.ts";

/** Desktops that keep their proxy where GNOME does, by the names that they give themselves. */
const LIKE_GNOME = new Set(["gnome", "unity", "cinnamon", "x-cinnamon", "mate", "budgie", "pantheon"]);

/**
 * Whose proxy settings programs of this session read: on KDE its own, and GNOME's, which Firefox and GTK programs read
 * there. Empty where the session is none of a desktop that is known.
 */
export function desktopsOf(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): DesktopKind[] {
  if (platform === "darwin") return ["macos"];
  if (platform === "win32") return ["windows"];
  const names = (environment.XDG_CURRENT_DESKTOP ?? "").toLowerCase().split(":");
  if (names.includes("kde")) return ["kde", "gnome"];
  return names.some((name) => LIKE_GNOME.has(name)) ? ["gnome"] : [];
}

/** What reads and writes each desktop's settings. */
export function desktopStores(run: RunCommand): (kind: DesktopKind) => DesktopStore {
  const make = { gnome: gnomeStore, kde: kdeStore, macos: macosStore, windows: windowsStore };
  return (kind) => make[kind](run);
}
