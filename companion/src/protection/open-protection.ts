import { join } from "node:path";
import { addonState } from "@atlantic/native";
import type { Logger } from "pino";
import { ClearError } from "../clear-error.ts";
import type { CompanionConfig } from "../config.ts";
import type { CompanionPaths } from "../data-paths.ts";
import type { Names } from "../dns/names.ts";
import { startResolver } from "../dns/resolver.ts";
import { openFirewall } from "../firewall/firewall.ts";
import { MARK } from "../firewall/policy.ts";
import { openTunnel } from "../tunnel/tunnel.ts";
import { BreachLog } from "../validator/breach-log.ts";
import { bootstrapEndpoints, bootstrapLookup } from "./bootstrap-lookup.ts";
import { MachineProtection } from "./machine-protection.ts";
import { ProtectedUpstreams } from "./protected-upstreams.ts";
import { WantedFile } from "./wanted-file.ts";

export interface OpenProtectionOptions {
  readonly config: CompanionConfig;
  /** Which names are blocked. */
  readonly names: Names;
  readonly paths: CompanionPaths;
  readonly log: Logger;
  readonly changed: () => void;
  readonly restart: () => void;
}

/**
 * The protection of the whole machine, gone into what was wanted last; null where the configuration does not ask for it.
 * @throws ClearError where it is asked for and cannot be had
 */
export async function openProtection(options: OpenProtectionOptions): Promise<MachineProtection | null> {
  const { config, paths, names, log, changed, restart } = options;
  if (config.protection === null) return null;
  if (addonState().kind !== "loaded") {
    throw new ClearError(
      "The whole machine cannot be protected without the native addon: npm run build:native.",
    );
  }
  const { protection: settings } = config;
  const upstreams = new ProtectedUpstreams({
    config: settings,
    mark: MARK,
    cachePath: join(paths.protection, "upstream-addresses.json"),
    lookup: bootstrapLookup(settings.bootstrap, MARK),
    moved: () => protection.replaceUpstreams(),
  });
  const protection: MachineProtection = new MachineProtection({
    config: settings,
    mark: MARK,
    addressCheckUrl: config.addressCheckUrl,
    firewall: await openFirewall({
      socket: paths.firewallSocket,
      state: paths.firewallState,
      startsHolder: !paths.isService,
    }),
    openTunnel: (parts) =>
      openTunnel({ ...parts, settingsFile: join(paths.protection, "kernel-settings.json") }),
    startResolver,
    filter: names.filter,
    blockedAnswer: () => names.lists.state.answer,
    upstreams,
    bootstrap: bootstrapEndpoints(settings.bootstrap),
    wanted: new WantedFile(paths.protection),
    breaches: new BreachLog(join(paths.protection, "breaches.json")),
    log,
    changed,
    restart,
  });
  await protection.start();
  return protection;
}
