import type { ListedRule } from "@atlantic/shared/blocking/urls/blocking-rule.ts";
import type { NameDecision } from "@atlantic/shared/control/names.ts";
import { ruleText } from "./rule-text.ts";

/**
 * Why a whole address is blocked or not.
 * @param ofName what is said of its host's name: that weighs more
 * @param fitting the rules that it fits, the strongest first
 */
export function explainUrl(url: string, ofName: NameDecision, fitting: readonly ListedRule[]): NameDecision {
  if (ofName.decision !== "unlisted") return { ...ofName, name: url };
  const [strongest] = fitting;
  if (strongest === undefined)
    return { ...ofName, name: url, text: `No rule speaks of ${url} or of its name: it is loaded.` };
  const { rule, list } = strongest;
  const text = ruleText(rule);
  const isBlocked = rule.action.type === "block";
  const end = isBlocked
    ? "so it is blocked by the browser itself, and over plain http by the local proxy"
    : "so it is loaded";
  const limit = text.includes("$") ? " It holds for the kinds of requests and the pages that it names." : "";
  return {
    name: url,
    decision: isBlocked ? "blocked" : "allowed",
    rule: text,
    list,
    text: `The list ${list} says ${text}, ${end}.${limit}`,
  };
}
