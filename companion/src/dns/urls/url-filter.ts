import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import {
  blockingRule,
  type EachRule,
  type ListedRule,
} from "@atlantic/shared/blocking/urls/blocking-rule.ts";
import { fitsRule, type UrlRequest } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { urlText } from "@atlantic/shared/blocking/urls/url-pattern.ts";
import { tokensOfUrl } from "@atlantic/shared/blocking/urls/url-tokens.ts";
import { builtInUrlsPath } from "../lists/built-in-lists.ts";
import { RuleFile } from "./rule-file.ts";

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

  /** The rule that blocks a request. Of the page that asks only the host is known, if that. */
  blocking(request: UrlRequest): ListedRule | undefined {
    const { initiator } = request;
    return blockingRule(this.#each, request, () => (initiator === null ? [] : [pageAt(initiator)]));
  }

  /** The rules that an address fits on any page, for some kind of request; the strongest first. */
  fitting(url: string): ListedRule[] {
    const text = urlText(url);
    const found: ListedRule[] = [];
    this.#each(tokensOfUrl(text.text), (rule, list) => {
      const { urlFilter, regexFilter, initiatorDomains } = rule.condition;
      if (rule.action.type === "allowAllRequests" || initiatorDomains !== undefined) return;
      const hasPattern = urlFilter !== undefined || regexFilter !== undefined;
      if (hasPattern && fitsRule(rule.condition, text)) found.push({ list, rule });
    });
    return found.sort((a, b) => b.rule.priority - a.rule.priority);
  }

  close(): void {
    for (const file of this.#files.values()) file?.close();
    this.#files.clear();
  }

  readonly #each: EachRule = (tokens, see) => {
    for (const list of this.#lists()) this.#fileOf(list)?.forEach(tokens, (rule) => see(rule, list));
  };

  #fileOf(list: BuiltInList): RuleFile | undefined {
    const known = this.#files.get(list);
    if (known !== undefined) return known;
    const file = RuleFile.open(this.#pathOf(list));
    if (file !== undefined) this.#files.set(list, file);
    return file;
  }
}

function pageAt(host: string): UrlRequest {
  const url = urlText(`http://${host}/`);
  return { url, host, method: "GET", types: ["main_frame"], initiator: host, isThirdParty: false };
}
