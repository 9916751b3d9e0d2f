import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import type { DnrRule } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { fitsRule, ruleApplies, type UrlRequest } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { urlText } from "@atlantic/shared/blocking/urls/url-pattern.ts";
import { tokensOfUrl } from "@atlantic/shared/blocking/urls/url-tokens.ts";
import { builtInUrlsPath } from "../lists/built-in-lists.ts";
import { RuleFile } from "./rule-file.ts";

/** A rule and the list that it stands in. */
export interface ListedRule {
  readonly list: BuiltInList;
  readonly rule: DnrRule;
}

/** Longer addresses are looked at as far as this. */
const MAX_URL_LENGTH = 4_096;

/** Says which plain requests are blocked by their whole address. Its files are opened when the first request needs them. */
export class UrlFilter {
  readonly #files = new Map<BuiltInList, RuleFile | undefined>();
  readonly #lists: () => readonly BuiltInList[];
  readonly #pathOf: (list: BuiltInList) => string;

  /** @param lists those that are in use */
  constructor(lists: () => readonly BuiltInList[], pathOf: (list: BuiltInList) => string = builtInUrlsPath) {
    this.#lists = lists;
    this.#pathOf = pathOf;
  }

  /**
   * The rule that blocks a request. In doubt it is let through: a rule that blocks has to apply to all that the request
   * may be, and an exception to any of it.
   */
  blocking(request: UrlRequest): ListedRule | undefined {
    const strongest = this.#strongest(request.url.text, ({ action, condition }) => {
      const applies = ruleApplies(condition, request);
      return action.type === "block" ? applies === "yes" : applies !== "no";
    });
    if (strongest?.rule.action.type !== "block") return undefined;
    return this.#isExceptedPage(request, strongest) ? undefined : strongest;
  }

  /** The rules that an address fits on any page, for some kind of request; the strongest first. */
  fitting(url: string): ListedRule[] {
    const text = urlText(url.slice(0, MAX_URL_LENGTH));
    const found: ListedRule[] = [];
    this.#forEach(text.text, (rule, list) => {
      const { urlFilter, initiatorDomains } = rule.condition;
      if (rule.action.type === "allowAllRequests" || initiatorDomains !== undefined) return;
      if (urlFilter !== undefined && fitsRule(rule.condition, text)) found.push({ list, rule });
    });
    return found.sort((a, b) => b.rule.priority - a.rule.priority);
  }

  close(): void {
    for (const file of this.#files.values()) file?.close();
    this.#files.clear();
  }

  /** Whether a list lets everything through on the page that asks. */
  #isExceptedPage({ initiator }: UrlRequest, blocking: ListedRule): boolean {
    if (initiator === null) return false;
    const page = `http://${initiator}/`;
    const asPage: UrlRequest = {
      url: urlText(page),
      host: initiator,
      method: "GET",
      types: ["main_frame"],
      initiator,
      isThirdParty: false,
    };
    const exception = this.#strongest(
      page,
      ({ action, condition }) =>
        action.type === "allowAllRequests" && ruleApplies(condition, asPage) !== "no",
    );
    return exception !== undefined && isStronger(exception.rule, blocking.rule);
  }

  #strongest(url: string, counts: (rule: DnrRule) => boolean): ListedRule | undefined {
    let strongest: ListedRule | undefined;
    this.#forEach(url, (rule, list) => {
      if (isStronger(rule, strongest?.rule) && counts(rule)) strongest = { list, rule };
    });
    return strongest;
  }

  #forEach(url: string, see: (rule: DnrRule, list: BuiltInList) => void): void {
    const tokens = tokensOfUrl(url);
    for (const list of this.#lists()) this.#fileOf(list)?.forEach(tokens, (rule) => see(rule, list));
  }

  #fileOf(list: BuiltInList): RuleFile | undefined {
    const known = this.#files.get(list);
    if (known !== undefined) return known;
    const file = RuleFile.open(this.#pathOf(list));
    if (file !== undefined) this.#files.set(list, file);
    return file;
  }
}

/** Of two that are as strong, the exception. */
function isStronger(rule: DnrRule, than: DnrRule | undefined): boolean {
  if (than === undefined || rule.priority !== than.priority) return rule.priority > (than?.priority ?? 0);
  return rule.action.type !== "block";
}
