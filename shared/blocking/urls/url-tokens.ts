const TOKEN = /[a-z0-9%]+/g;
/** The bucket of rules that have no token: every request looks into it. */
export const NO_TOKEN = 0;

/** The words of an address, in lower case and each once, as numbers. */
export function tokensOfUrl(url: string): number[] {
  return [...new Set(url.toLowerCase().match(TOKEN) ?? [])].map(tokenHash);
}

/** What stands for the domains that a page is of, as numbers beside the words of its address; none where nobody knows it. */
export function tokensOfPage(host: string | null): number[] {
  if (host === null || host === "") return [];
  const labels = host.split(".");
  return labels.map((_, index) => tokenHash(pageToken(labels.slice(index).join("."))));
}

/** The word of a rule that is for the pages of a domain. */
export function pageToken(domain: string): string {
  return `@${domain}`;
}

/** The words that every address which fits the pattern has: those that end on both sides within the pattern. */
export function tokensOfPattern(pattern: string): string[] {
  const text = pattern.toLowerCase();
  const isStart = text.startsWith("|");
  const isEnd = text.endsWith("|");
  const body = text.replace(/^\|{1,2}/, "").replace(/\|$/, "");
  return [...body.matchAll(TOKEN)].flatMap(({ 0: token, index }) => {
    const before = body[index - 1];
    const after = body[index + token.length];
    const beginsThere = before === undefined ? isStart : before !== "*";
    const endsThere = after === undefined ? isEnd : after !== "*";
    return beginsThere && endsThere ? [token] : [];
  });
}

/** FNV-1a, 32 bits, never `NO_TOKEN`. */
export function tokenHash(token: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < token.length; index++) {
    hash = Math.imul(hash ^ token.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0 || 1;
}
