import type { RouteScope } from "@atlantic/shared/control/messages.ts";
import { routeIdSchema } from "@atlantic/shared/routing/route.ts";
import { Command } from "commander";
import { ClearError } from "../clear-error.ts";
import type { ControlClient } from "../control/control-client.ts";
import { VERSION } from "../version.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";
import { addDns } from "./dns-command.ts";
import { examineEverything, examineProviders, type ProviderOptions } from "./doctor-command.ts";
import { explain } from "./explain-command.ts";
import { type PairOptions, pair } from "./pair-command.ts";
import { parseRoute, parseScope, type ScopeOptions } from "./parse-route.ts";
import { addPolicy } from "./policy-command.ts";
import { addInstall, addProtection, connectMachine, disconnectMachine } from "./protection-commands.ts";
import { statusInWords } from "./show-status.ts";
import {
  connectSystemProxy,
  disconnectSystemProxy,
  type SystemProxyOptions,
  withSystemProxyOptions,
} from "./system-proxy-command.ts";
import { verifyReceipts } from "./verify-receipts-command.ts";
import { routeInWords, table } from "./words.ts";

const JSON_OPTION = ["--json", "print JSON, for machines"] as const;

/** The `atlantic` command: what each word asks of the companion. */
export function program(print: (text: string) => void): Command {
  const root = new Command("atlantic")
    .description("See and steer the companion of Atlantic Proxy.")
    .version(VERSION)
    .option(...JSON_OPTION);
  const context = (): CommandContext => ({
    json: everyCommand(root).some((command) => command.opts().json === true),
    print,
  });

  root
    .command("status")
    .description("what runs, who is connected, what was used")
    .action(() => withCompanion(async (client) => showStatus(context(), client)));
  root
    .command("exits")
    .description("the places where traffic can leave")
    .argument("[search]", "only those whose name holds this")
    .action((search?: string) => withCompanion(async (client) => showExits(context(), client, search ?? "")));
  addConnect(root, context);
  addProtection(root, context);
  addInstall(root, context);
  addRoute(root, context);
  root
    .command("rotate")
    .description("a new session, and so a new address, for a route or for all")
    .argument("[route]", "the route's id, as atlantic status lists it")
    .action((id?: string) => withCompanion(async (client) => rotate(context(), client, id)));
  root
    .command("pair")
    .description("answer browsers that ask to be paired")
    .option("--register", "first, once: let your own Chromium, Chrome and Firefox find the companion")
    .option("--accept <id>", "accept this one")
    .option("--refuse <id>", "refuse this one")
    .action((options: PairOptions) => pair(context(), options));
  root
    .command("doctor")
    .description("look for what is wrong and say what to do")
    .option("--provider <name>", "try this upstream of upstreams.json with its real account; all: every one")
    .option("--file <path>", "the upstreams.json to read (default: the data directory's)")
    .option("--country <xx>", "the country to ask for (default: the entry's first place, or us)")
    .option(
      "--check-url <url>",
      "a page that answers the address it was asked from (default: the provider's own)",
    )
    .option("--only-connect", "do not try sessions and disputed spellings")
    .action((options: ProviderOptions) =>
      options.provider === undefined
        ? examineEverything(context())
        : examineProviders(context(), { ...options, provider: options.provider }),
    );
  root
    .command("explain")
    .description("what a proxy user name means, and what the gateway would do with it")
    .argument("<username>", "as you give it to a client, without the password")
    .action((username: string) => explain(context(), username));
  root
    .command("verify")
    .description("check what a server has given you")
    .command("receipts")
    .description("that no receipt of a downloaded file was changed, moved or left out")
    .argument("<file>", "as the server gave it (JSON Lines)")
    .option("--key <base64>", "the server's public key, when you know it from elsewhere")
    .action((file: string, options: { key?: string }) => verifyReceipts(context(), file, options));
  addDns(root, context);
  addPolicy(root, context);
  // The option may stand behind the command's name as well.
  for (const command of everyCommand(root)) if (command !== root) command.option(...JSON_OPTION);
  return root;
}

/** A command with all those below it. */
export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function addConnect(root: Command, context: () => CommandContext): void {
  withSystemProxyOptions(
    root.command("connect").description("carry the whole machine's traffic, or nothing"),
  ).action((options: SystemProxyOptions) => {
    if (options.systemProxy) return connectSystemProxy(context(), options);
    return connectMachine(context());
  });
  root
    .command("disconnect")
    .description("end that: needs the system's word (sudo, or polkit asks)")
    .option("--system-proxy", "put the desktop's proxy settings back")
    .action((options: { systemProxy?: boolean }) => {
      if (options.systemProxy) return disconnectSystemProxy(context());
      return disconnectMachine(context());
    });
}

function addRoute(root: Command, context: () => CommandContext): void {
  const route = root.command("route").description("where tabs go");
  route
    .command("list", { isDefault: true })
    .description("each tab, its site and its route")
    .action(() => withCompanion(async (client) => listRoutes(context(), client)));
  route
    .command("set")
    .description("send a tab, a site or everything another way")
    .argument("<route>", "an exit's id (atlantic exits), direct or block")
    .option("--tab <number>", "this tab")
    .option("--site <name>", "every tab at this site")
    .option("--everything", "every tab without a rule of its own")
    .option("--browser <id>", "which browser, when several are connected")
    .action((text: string, options: ScopeOptions & { browser?: string }) => {
      const scope = parseScope(options);
      return withCompanion(async (client) => setRoute(context(), client, text, scope, options.browser));
    });
}

async function showStatus(context: CommandContext, client: ControlClient): Promise<void> {
  show(context, await client.request("status.get", {}), (status) => statusInWords(status, Date.now()));
}

async function showExits(context: CommandContext, client: ControlClient, search: string): Promise<void> {
  const exits = await client.request("exits.list", {});
  const found = exits.filter(({ id, label }) =>
    `${id} ${label}`.toLowerCase().includes(search.toLowerCase()),
  );
  show(context, found, (list) =>
    list.length === 0
      ? "No exit fits."
      : table(
          ["ID", "PLACE", "NETWORK", "LATENCY"],
          list.map(({ id, label, network, latencyMs }) => [
            id,
            label,
            network,
            latencyMs === null ? "-" : `${Math.round(latencyMs)} ms`,
          ]),
        ),
  );
}

async function listRoutes(context: CommandContext, client: ControlClient): Promise<void> {
  show(context, await client.request("route.list", {}), (tabs) =>
    tabs.length === 0
      ? "No tab is known: open a browser with npm run browser, and switch exits on in its popup."
      : table(
          ["TAB", "SITE", "ROUTE", "BROWSER"],
          tabs.map(({ tabId, site, route, browser }) => [
            `${tabId}`,
            site || "-",
            routeInWords(route),
            browser,
          ]),
        ),
  );
}

async function setRoute(
  context: CommandContext,
  client: ControlClient,
  text: string,
  scope: RouteScope,
  browser: string | undefined,
): Promise<void> {
  const isNamed = text === "direct" || text === "block";
  const route = parseRoute(text, isNamed ? [] : await client.request("exits.list", {}));
  await client.request("route.set", { scope, route, ...(browser !== undefined && { browser }) });
  show(context, { scope, route }, () => `${scopeInWords(scope)} now: ${routeInWords(route)}.`);
}

function scopeInWords(scope: RouteScope): string {
  if (scope.kind === "everything") return "Everything";
  return scope.kind === "tab" ? `Tab ${scope.tabId}` : scope.site;
}

async function rotate(context: CommandContext, client: ControlClient, id: string | undefined): Promise<void> {
  const { sessions } = await client.request("status.get", {});
  const wanted = sessions.filter(({ routeId }) => id === undefined || routeId === id);
  if (wanted.length === 0) {
    throw new ClearError(
      id === undefined ? "No route has a session now." : `No route ${id} has a session now.`,
    );
  }
  const rotated = [];
  for (const { routeId } of wanted) {
    rotated.push(await client.request("session.rotate", { routeId: routeIdSchema.parse(routeId) }));
  }
  show(context, rotated, (views) =>
    views
      .map(({ routeId, address, problem }) => `${routeId}: ${address ?? problem ?? "new session"}`)
      .join("\n"),
  );
}
