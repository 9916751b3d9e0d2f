import type { ExitView } from "@atlantic/shared/control/messages.ts";

/** The exits that hold every word of the query, whatever its case and accents. */
export function searchExits<Exit extends ExitView>(exits: readonly Exit[], query: string): readonly Exit[] {
  const words = fold(query).split(/\s+/).filter(Boolean);
  return exits.filter((exit) => {
    const { country = "", region = "", city = "", ispTier = "" } = exit.exit;
    const text = fold([exit.label, exit.network, country, region, city, ispTier].join(" "));
    return words.every((word) => text.includes(word));
  });
}

function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("_", " ").toLowerCase();
}
