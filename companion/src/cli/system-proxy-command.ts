import type { SessionView } from "@atlantic/shared/control/messages.ts";
import type {
  DesktopKind,
  RestoredSettings,
  SystemProxyView,
} from "@atlantic/shared/control/system-proxy.ts";
import { desktopKindSchema } from "@atlantic/shared/control/system-proxy.ts";
import type { Command } from "commander";
import { ClearError } from "../clear-error.ts";
import { type CompanionPaths, companionPaths, dataDirectory } from "../data-paths.ts";
import { desktopStores, desktopsOf } from "../system-proxy/desktop-kinds.ts";
import { DesktopSettings } from "../system-proxy/desktop-settings.ts";
import { runCommand } from "../system-proxy/run-command.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";
import { parseRoute } from "./parse-route.ts";
import { routeInWords } from "./words.ts";

export interface SystemProxyOptions {
  readonly systemProxy?: boolean;
  readonly exit?: string;
  readonly desktop?: string;
  readonly port?: string;
}

/** The options of `connect` that belong to the desktop's proxy settings. */
export function withSystemProxyOptions(command: Command): Command {
  return command
    .option("--system-proxy", "without privilege: point the desktop's proxy settings at an exit")
    .option("--exit <exit>", "with --system-proxy: where programs leave (atlantic exits)")
    .option("--desktop <name>", "with --system-proxy: gnome, kde, or none to change no settings")
    .option("--port <number>", "with --system-proxy: the proxy's port (default: any that is free)");
}

/** Points the desktop's proxy settings at the companion. @throws ClearError, ControlFailure */
export async function connectSystemProxy(
  context: CommandContext,
  options: SystemProxyOptions,
): Promise<void> {
  const desktops = wantedDesktops(options.desktop);
  const port = wantedPort(options.port);
  await withCompanion(async (client) => {
    const exits = await client.request("exits.list", {});
    const route = parseRoute(options.exit ?? missingExit(), exits);
    if (route.kind !== "exit") throw new ClearError("--exit takes an exit, as atlantic exits lists them.");
    const view = await client.request("systemProxy.connect", { exit: route.exit, desktops, port });
    const { sessions } = await client.request("status.get", {});
    const session = sessions.find(({ routeId }) => routeId === view.routeId);
    show(context, view, () => connectedInWords(view, session));
  }, ownCompanion());
}

/** Puts the desktop's proxy settings back, with the companion or without it. @throws ClearError, ControlFailure */
export async function disconnectSystemProxy(context: CommandContext): Promise<void> {
  const restored = await withCompanion(
    (client) => client.request("systemProxy.disconnect", {}),
    ownCompanion(),
  ).catch((error) => {
    if (error instanceof ClearError) return restoreByOurselves();
    throw error;
  });
  show(context, restored, restoredInWords);
}

/** With no companion there to do it: puts back what a companion left that was killed. @throws ClearError */
export async function restoreLeftSettings({ json, print }: CommandContext): Promise<void> {
  const restored = await restoreByOurselves();
  if (restored && !json) print(restoredInWords(restored));
}

/** The person's own, in their session, and never the system's service: that one has no desktop. */
function ownCompanion(): CompanionPaths {
  return companionPaths(dataDirectory());
}

function restoreByOurselves(): Promise<RestoredSettings | null> {
  return new DesktopSettings(ownCompanion().systemProxy, desktopStores(runCommand)).restore();
}

function wantedDesktops(asked: string | undefined): DesktopKind[] {
  if (asked === "none") return [];
  if (asked !== undefined) {
    const kind = desktopKindSchema.safeParse(asked).data;
    if (kind) return [kind];
    throw new ClearError(`--desktop takes gnome, kde or none, not "${asked}".`);
  }
  const found = desktopsOf(process.platform, process.env);
  if (found.length > 0) return found;
  const name = process.env.XDG_CURRENT_DESKTOP;
  throw new ClearError(
    `${name ? `The desktop "${name}" keeps its proxy settings where this does not know them` : "No desktop runs in this session"}: say whose to change with --desktop gnome or --desktop kde, or open the proxy alone with --desktop none.`,
  );
}

function wantedPort(asked: string | undefined): number {
  if (asked === undefined) return 0;
  const port = /^\d{1,5}$/.test(asked) ? Number(asked) : Number.NaN;
  if (port <= 65_535) return port;
  throw new ClearError(`--port takes a port number, not "${asked}".`);
}

function missingExit(): never {
  throw new ClearError("Say where programs leave: --exit de, for instance. atlantic exits lists the exits.");
}

function connectedInWords(view: SystemProxyView, session: SessionView | undefined): string {
  const { port, exit, desktops, problems } = view;
  const http = `http://127.0.0.1:${port}`;
  const whose = desktops.length === 0 ? "The proxy leads" : `The settings of ${desktops.join(" and ")} lead`;
  const seen = session?.address
    ? `sites see ${session.address}`
    : (session?.problem ?? "the address is not checked");
  return [
    `${whose} to ${routeInWords({ kind: "exit", exit })}; ${seen}.`,
    ...problems.map((problem) => `  Not changed  ${problem}`),
    `  Proxy        127.0.0.1:${port}, HTTP and SOCKS5. It asks for no password: any program here may use it.`,
    `  Terminals    export http_proxy=${http} https_proxy=${http} all_proxy=socks5h://127.0.0.1:${port} no_proxy=localhost,127.0.0.1,::1`,
    "  Not carried  programs that do not read these settings, and UDP. This is no kill switch.",
    "  Back         atlantic disconnect --system-proxy; or end the companion.",
  ].join("\n");
}

function restoredInWords(restored: RestoredSettings | null): string {
  if (restored === null) return "Nothing to do: your proxy settings are your own.";
  const { desktops, left } = restored;
  if (desktops.length === 0) return "The proxy is closed; nobody's settings had been changed.";
  return [
    `The proxy settings of ${desktops.join(" and ")} are as they were.`,
    ...left.map((name) => `  Left as somebody has set it since: ${name}`),
  ].join("\n");
}
