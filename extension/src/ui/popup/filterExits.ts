import type { ExitView } from "@atlantic/shared/control/messages.ts";
import { nameOfCountry } from "../nameOfExit.ts";
import { BLOCK_CHOICE, type Choice, DIRECT_CHOICE } from "./choice.ts";

/** What the list offers for a query: the exits that hold every word of it, then direct and block. */
export function filterExits(exits: readonly ExitView[], query: string): readonly Choice[] {
  const words = fold(query).split(/\s+/).filter(Boolean);
  const choices = [...exits.map(choiceOf), DIRECT_CHOICE, BLOCK_CHOICE];
  return choices.filter((choice) => {
    const text = fold(choice.searched);
    return words.every((word) => text.includes(word));
  });
}

function choiceOf(view: ExitView): Choice {
  const { country = "", city = "", region = "", asn, ispTier = "" } = view.exit;
  const [place = view.label, ...rest] = view.label.split(/, (?=[^,]*$)/);
  const network = view.demonstration ? [] : [view.network];
  const places = [view.label, country, country && nameOfCountry(country), region, city];
  return {
    id: view.id,
    code: country.toUpperCase() || "··",
    place,
    about: [...rest, ...network].join(" · "),
    demonstration: view.demonstration,
    latencyMs: view.latencyMs,
    route: { kind: "exit", exit: view.exit },
    searched: [...places, view.network, ispTier, asn ? `as${asn}` : ""].join(" "),
  };
}

/** Lower case without accents, places with their underscores as spaces: "São Paulo" is found by "sao". */
function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("_", " ").toLowerCase();
}
