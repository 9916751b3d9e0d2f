import { useSyncExternalStore } from "react";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Whether the person wants a dark or a light page, kept up to date. */
export function useColourScheme(): "dark" | "light" {
  return useSyncExternalStore(subscribe, () => (dark.matches ? "dark" : "light"));
}

function subscribe(changed: () => void): () => void {
  dark.addEventListener("change", changed);
  return () => dark.removeEventListener("change", changed);
}
