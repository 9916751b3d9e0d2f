import { addonState } from "@atlantic/native";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import type { CompanionConfig } from "../config.ts";
import type { CompanionPaths } from "../data-paths.ts";
import type { PairingStore } from "../pairing/pairing-store.ts";
import type { Protection } from "../protection/protection.ts";
import type { UpstreamWatch } from "../status/upstream-watch.ts";
import type { SystemProxy } from "../system-proxy/system-proxy.ts";
import { systemProxyFinding } from "../system-proxy/system-proxy-finding.ts";
import type { AccountApi } from "../upstream/account-api.ts";
import { closedFileFinding } from "./closed-file-finding.ts";
import { examineProtection } from "./examine-protection.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

export interface ExamineParts {
  readonly config: CompanionConfig;
  readonly paths: CompanionPaths;
  readonly watch: UpstreamWatch;
  readonly api: AccountApi;
  readonly registry: BrowserRegistry;
  readonly pairings: PairingStore;
  readonly systemProxy: SystemProxy;
  /** Null where the companion runs without privilege. */
  readonly protection: Protection | null;
}

/** Looks at everything that must be right for a tab to go where it should, and says what to do where it is not. */
export async function examine(parts: ExamineParts): Promise<Finding[]> {
  return [
    await upstreamFinding(parts),
    await exitsFinding(parts),
    closedFileFinding("Configuration", parts.paths.config, parts.paths.isService ? "640" : "600"),
    browsersFinding(parts),
    addressFinding(parts),
    addonFinding(),
    systemProxyFinding(parts.systemProxy, process.platform),
    ...examineProtection(parts.protection?.view() ?? null),
  ];
}

/** Whether the way to the exits is there; looks now. */
export async function upstreamFinding({
  watch,
  config,
}: Pick<ExamineParts, "watch" | "config">): Promise<Finding> {
  await watch.look();
  const { reachable, problem } = watch.health;
  const name = "Way to the exits";
  const place = `${config.upstream.host}:${config.upstream.port}`;
  if (reachable) return good(name, `${place} accepts connections.`);
  return bad(name, problem ?? `${place} is not reachable.`, "Start it: npm start.");
}

/** Whether any exit is offered; asks the server. */
export async function exitsFinding({ api, config }: Pick<ExamineParts, "api" | "config">): Promise<Finding> {
  const name = "Exits";
  if (config.upstream.kind === "provider")
    return good(name, "The provider has exits in every country it sells.");
  try {
    const exits = await api.exits();
    if (exits.length > 0) return good(name, `${exits.length} exits are offered.`);
    return warning(name, "The server offers no exit.", "Configure an upstream there.");
  } catch (error) {
    const detail = error instanceof Error ? error.message : "The server did not say.";
    return bad(name, detail, "Check the server's address and the credential in config.json.");
  }
}

function browsersFinding({ registry, pairings }: ExamineParts): Finding {
  const name = "Browsers";
  const connected = registry.all();
  if (connected.length > 0)
    return good(name, `Connected: ${connected.map((browser) => browser.name).join(", ")}.`);
  const detail =
    pairings.all().length > 0
      ? "A browser is paired, but none is connected."
      : "No browser has been paired yet.";
  return warning(name, detail, "Open one with npm run browser.");
}

/** Whether the address that sites see is checked. */
export function addressFinding({ config }: Pick<ExamineParts, "config">): Finding {
  const name = "Address check";
  if (config.addressCheckUrl !== null)
    return good(name, `Addresses are checked at ${config.addressCheckUrl}.`);
  const detail = "The address that sites see is not checked.";
  return warning(name, detail, "Set addressCheckUrl in config.json to a page that answers it.");
}

/** Whether the native addon is there. */
export function addonFinding(): Finding {
  const name = "Native addon";
  const state = addonState();
  if (state.kind === "loaded") return good(name, "Loaded: the kernel says who is at the control socket.");
  if (state.kind === "not built")
    return good(
      name,
      "Not built: browsers are served without it. Who is at the control socket is left to file permissions.",
    );
  return warning(name, `It cannot be loaded: ${state.problem}`, "npm run build:native");
}
