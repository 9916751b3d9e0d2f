import { z } from "zod";
import { exitSelectorSchema } from "../exits/selector.ts";
import { routeIdSchema } from "../routing/route.ts";

/** Whose proxy settings can be pointed at the companion. GNOME's are those of many desktops made from it, too. */
export const desktopKindSchema = z.enum(["gnome", "kde", "macos", "windows"]);
export type DesktopKind = z.infer<typeof desktopKindSchema>;

/** What `atlantic connect --system-proxy` asks for. */
export const systemProxyWishSchema = z.object({
  exit: exitSelectorSchema,
  /** Whose settings to change; none: the proxy is there, and whoever wants it is pointed at it by hand. */
  desktops: z.array(desktopKindSchema).max(4),
  /** 0: any that is free. */
  port: z.int().min(0).max(65_535),
});
export type SystemProxyWish = z.infer<typeof systemProxyWishSchema>;

/** The proxy that any program of this machine may use, while it is there. */
export const systemProxyViewSchema = z.object({
  /** HTTP, CONNECT and SOCKS5 on 127.0.0.1, without a password. */
  port: z.int(),
  exit: exitSelectorSchema,
  routeId: routeIdSchema,
  /** Whose settings lead there, for people: "GNOME". */
  desktops: z.array(z.string()),
  /** Settings that could not be changed, each with its reason, as sentences. */
  problems: z.array(z.string()),
});
export type SystemProxyView = z.infer<typeof systemProxyViewSchema>;

/** What became of the settings that were there before. */
export const restoredSettingsSchema = z.object({
  /** Whose settings were put back, for people. */
  desktops: z.array(z.string()),
  /** Values that somebody else has changed meanwhile, and that were therefore left alone: "GNOME: mode". */
  left: z.array(z.string()),
});
export type RestoredSettings = z.infer<typeof restoredSettingsSchema>;
