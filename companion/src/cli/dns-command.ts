import type { NameList, NamesView } from "@atlantic/shared/control/names.ts";
import type { Command } from "commander";
import { ClearError } from "../clear-error.ts";
import type { ControlClient } from "../control/control-client.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";
import { isOn } from "./on-or-off.ts";
import { table } from "./words.ts";

/** `atlantic dns`: which names are blocked, and why. */
export function addDns(root: Command, context: () => CommandContext): void {
  const dns = root.command("dns").description("which names are blocked on this machine, and why");
  dns
    .command("status", { isDefault: true })
    .description("the lists, what they blocked, your own words, the policy")
    .action(() => withCompanion(async (client) => showNames(context(), client)));
  dns
    .command("why")
    .description("why a name is answered as it is, or a whole address loaded")
    .argument("<name>", "as in ads.example.com, or an address that begins with http:// or https://")
    .action((name: string) =>
      withCompanion(async (client) =>
        show(context(), await client.request("dns.why", { name }), ({ text }) => text),
      ),
    );
  for (const word of ["allow", "block"] as const) {
    dns
      .command(word)
      .description(`${word} a name and all below it, whatever the lists say`)
      .argument("<name>", "as in example.com")
      .option("--undo", "take your word back")
      .action((name: string, { undo }: { undo?: boolean }) => say(context(), name, undo ? null : word));
  }
  dns
    .command("answer")
    .description("how blocked names are answered")
    .argument("<how>", "nxdomain, zero or refused")
    .action((how: string) => choose(context(), { answer: answerOf(how) }));
  dns
    .command("choose")
    .description("block names that lead past the resolver or the exits")
    .option("--firefox-canary <on|off>", "Firefox's question whether it may ask elsewhere")
    .option("--doh-servers <on|off>", "known servers of DNS over HTTPS")
    .option("--private-relays <on|off>", "relays such as iCloud Private Relay")
    .action((options: ChoiceOptions) => choose(context(), { choices: choicesOf(options) }));
  addLists(dns, context);
}

function addLists(dns: Command, context: () => CommandContext): void {
  const lists = dns.command("lists").description("the filter lists");
  lists
    .command("list", { isDefault: true })
    .description("every list, its rules and what it blocked")
    .action(() =>
      withCompanion(async (client) => show(context(), await client.request("dns.lists", {}), listsInWords)),
    );
  lists
    .command("add")
    .description("subscribe to a list: hosts syntax, names, or the Adblock syntax for DNS")
    .argument("<url>")
    .option("--sha256 <hex>", "follow this version only")
    .action((url: string, { sha256 }: { sha256?: string }) =>
      withCompanion(async (client) => {
        const added = await client.request("dns.list.add", { url, pinned: sha256?.toLowerCase() ?? null });
        show(context(), added, ({ id }) => `The list ${id} is used from now on.`);
      }),
    );
  lists
    .command("remove")
    .description("end a subscription, or switch a list that comes with the program off")
    .argument("<id>", "as atlantic dns lists shows it")
    .action((id: string) => change(context(), "dns.list.remove", id, `The list ${id} is not used any more.`));
  lists
    .command("restore")
    .description("switch a list that comes with the program on again")
    .argument("<id>", "ads, tracking or security")
    .action((id: string) => change(context(), "dns.list.restore", id, `The list ${id} is used again.`));
  lists
    .command("update")
    .description("ask for newer versions of all subscriptions now")
    .action(() => withCompanion(async (client) => update(context(), client)));
}

async function showNames(context: CommandContext, client: ControlClient): Promise<void> {
  show(context, await client.request("dns.status", {}), namesInWords);
}

function say(context: CommandContext, name: string, word: "allow" | "block" | null): Promise<void> {
  return withCompanion(async (client) =>
    show(context, await client.request("dns.say", { name, word }), ({ text }) => text),
  );
}

function choose(context: CommandContext, params: Parameters<typeof request>[1]): Promise<void> {
  return withCompanion(async (client) => show(context, await request(client, params), namesInWords));
}

function request(
  client: ControlClient,
  params: { readonly answer?: NamesView["answer"]; readonly choices?: Partial<NamesView["choices"]> },
): Promise<NamesView> {
  return client.request("dns.choose", params);
}

function change(
  context: CommandContext,
  ask: "dns.list.remove" | "dns.list.restore",
  id: string,
  sentence: string,
): Promise<void> {
  return withCompanion(async (client) => {
    await client.request(ask, { id });
    show(context, { id }, () => sentence);
  });
}

async function update(context: CommandContext, client: ControlClient): Promise<void> {
  const outcomes = await client.request("dns.lists.update", {});
  show(context, outcomes, (list) =>
    list.length === 0
      ? "There is no subscription: atlantic dns lists add URL."
      : list.map(({ id, outcome, problem }) => `${id}: ${problem ?? outcome}`).join("\n"),
  );
  if (outcomes.some(({ outcome }) => outcome === "failed")) process.exitCode = 1;
}

interface ChoiceOptions {
  readonly firefoxCanary?: string;
  readonly dohServers?: string;
  readonly privateRelays?: string;
}

function choicesOf({
  firefoxCanary,
  dohServers,
  privateRelays,
}: ChoiceOptions): Partial<NamesView["choices"]> {
  return {
    ...(firefoxCanary !== undefined && { firefoxCanary: isOn(firefoxCanary) }),
    ...(dohServers !== undefined && { dohServers: isOn(dohServers) }),
    ...(privateRelays !== undefined && { privateRelays: isOn(privateRelays) }),
  };
}

function answerOf(word: string): NamesView["answer"] {
  if (word === "nxdomain" || word === "zero" || word === "refused") return word;
  throw new ClearError(`"${word}" is none of nxdomain, zero and refused.`);
}

const ANSWERS: Readonly<Record<NamesView["answer"], string>> = {
  nxdomain: "as if there were no such name",
  zero: "with 0.0.0.0 and ::",
  refused: "with a refusal",
};

/** Everything that decides which names are blocked, in words. */
export function namesInWords(view: NamesView): string {
  const { answer, choices, allowed, blocked, unfiltered, lists, policy, policyProblem } = view;
  const word = (on: boolean): string => (on ? "blocked" : "not blocked");
  return [
    listsInWords(lists),
    "",
    `Blocked names are answered ${ANSWERS[answer]}.`,
    `Firefox's canary is ${word(choices.firefoxCanary)}, other DNS servers over HTTPS are ${word(choices.dohServers)}, private relays are ${word(choices.privateRelays)}.`,
    ...(allowed.length > 0 ? [`You allow: ${allowed.join(", ")}.`] : []),
    ...(blocked.length > 0 ? [`You block: ${blocked.join(", ")}.`] : []),
    ...(unfiltered.length > 0 ? [`Sites with ads: ${unfiltered.join(", ")}.`] : []),
    ...(policy?.sentences ?? ["No regional policy was chosen."]),
    ...(policyProblem === null ? [] : [`Policy: ${policyProblem}`]),
  ].join("\n");
}

function listsInWords(lists: readonly NameList[]): string {
  if (lists.length === 0) return "No list is loaded.";
  return table(
    ["LIST", "RULES", "NOT UNDERSTOOD", "BLOCKED", "PROBLEM"],
    lists.map(({ id, name, entries, notUnderstood, blocked, problem }) => [
      // The person's words are two lists of one name, and nothing takes it.
      id === "user" ? name : id,
      `${entries}`,
      `${notUnderstood}`,
      `${blocked}`,
      problem ?? "-",
    ]),
  );
}
