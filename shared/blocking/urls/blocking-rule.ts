import type { BuiltInList } from "../built-in-list.ts";
import type { DnrRule } from "../rulesets/dnr-rule.ts";
import { ruleApplies, type UrlRequest } from "./rule-applies.ts";
import { tokensOfPage, tokensOfUrl } from "./url-tokens.ts";

/** A rule and the list that it stands in. */
export interface ListedRule<List = BuiltInList> {
  readonly list: List;
  readonly rule: DnrRule;
}

/** Shows all rules that may be about a request with these words of its address and its page, and perhaps others. */
export type EachRule<List = BuiltInList> = (
  tokens: readonly number[],
  see: (rule: DnrRule, list: List) => void,
) => void;

/**
 * The rule that blocks a request. In doubt it is let through: a rule that blocks has to apply to all that the request may
 * be, and an exception to any of it.
 * @param pages gives the requests by which the page and the frames came that it is in; asked only where a rule blocks
 */
export function blockingRule<List>(
  each: EachRule<List>,
  request: UrlRequest,
  pages: () => readonly UrlRequest[],
): ListedRule<List> | undefined {
  const blocking = strongest(each, request, ({ action, condition }) => {
    const applies = ruleApplies(condition, request);
    return action.type === "block" ? applies === "yes" : applies !== "no";
  });
  if (blocking?.rule.action.type !== "block") return undefined;
  return pages().some((page) => exceptsAll(each, page, blocking.rule)) ? undefined : blocking;
}

/** Whether a list lets everything through on this page that this rule would block. */
function exceptsAll<List>(each: EachRule<List>, page: UrlRequest, blocking: DnrRule): boolean {
  const exception = strongest(
    each,
    page,
    ({ action, condition }) => action.type === "allowAllRequests" && ruleApplies(condition, page) !== "no",
  );
  return exception !== undefined && isStronger(exception.rule, blocking);
}

function strongest<List>(
  each: EachRule<List>,
  { url, initiator }: UrlRequest,
  counts: (rule: DnrRule) => boolean,
): ListedRule<List> | undefined {
  let found: ListedRule<List> | undefined;
  each([...tokensOfUrl(url.text), ...tokensOfPage(initiator)], (rule, list) => {
    if (isStronger(rule, found?.rule) && counts(rule)) found = { list, rule };
  });
  return found;
}

/** Of two that are as strong, the exception. */
function isStronger(rule: DnrRule, than: DnrRule | undefined): boolean {
  if (than === undefined || rule.priority !== than.priority) return rule.priority > (than?.priority ?? 0);
  return rule.action.type !== "block";
}
