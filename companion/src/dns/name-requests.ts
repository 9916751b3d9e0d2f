import { ClearError } from "../clear-error.ts";
import { ControlFailure } from "../control/control-failure.ts";
import type { RequestHandlers } from "../control/link.ts";
import type { Names } from "./names.ts";

type NameHandlers = Pick<
  RequestHandlers,
  Extract<keyof RequestHandlers, `dns.${string}` | `policy.${string}`>
>;

/** What the companion does with requests about names. */
export function nameRequests(names: Names): NameHandlers {
  const { lists } = names;
  return {
    "dns.why": (_, { name }) => clearly(() => names.why(name)),
    "dns.status": () => names.view(),
    "dns.lists": () => names.listViews(),
    "dns.list.add": (_, { url, pinned }) => clearly(() => lists.add(url, pinned)),
    "dns.list.remove": (_, { id }) => clearly(() => lists.remove(id).then(() => ({}))),
    "dns.list.restore": (_, { id }) => clearly(() => lists.restore(id).then(() => ({}))),
    "dns.lists.update": () => clearly(() => lists.update()),
    "dns.say": (_, { name, word }) => clearly(async () => names.why(await lists.say(name, word))),
    "dns.choose": (_, { answer, choices }) =>
      clearly(async () => {
        await lists.choose(choices ?? {}, answer);
        return names.view();
      }),
    "dns.site": (_, { site, filtered }) =>
      clearly(async () => {
        await lists.setFiltered(site, filtered);
        return { site, filtered };
      }),
    "dns.browser": () => names.browserFilter(),
    "policy.use": (_, { text, key, age }) =>
      clearly(async () => {
        names.policy.choose(text, key, age);
        await lists.load();
        return names.view();
      }),
    "policy.remove": () =>
      clearly(async () => {
        names.policy.remove();
        await lists.load();
        return names.view();
      }),
  };
}

/** What was asked wrongly is the asker's to know. */
async function clearly<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ClearError) throw new ControlFailure("unavailable", error.message);
    throw error;
  }
}
