import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { protectionWords } from "../ui/protectionWords.ts";
import type { Badge, IconState } from "./badge.ts";

/** What the toolbar shows on every tab because of the whole computer; null where the tab itself has the say. */
export function computerBadge(protection: ProtectionView | null): Badge | null {
  const { isHeld, title, sentence } = protectionWords(protection);
  return isHeld ? { text: "!", tone: "blocked", title: `${title}. ${sentence}` } : null;
}

/** The icon because of the whole computer; null where this browser's own state has the say. */
export function computerIcon(protection: ProtectionView | null): IconState | null {
  const { isHeld, tone } = protectionWords(protection);
  if (isHeld) return "blocked";
  if (tone === "attention") return "connecting";
  return null;
}
