import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { fileURLToPath } from "node:url";
import { addonState } from "@atlantic/native";
import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

/** Where the build puts the holder of the rules. */
const HOLDER = fileURLToPath(new URL("../../../native/dist/atlantic-fw", import.meta.url));

/** Bits of CAP_NET_BIND_SERVICE, CAP_NET_ADMIN and CAP_NET_RAW (capabilities(7)). */
const capabilities = { NET_BIND_SERVICE: 10n, NET_ADMIN: 12n, NET_RAW: 13n };

/** What the protection of the whole machine needs here; `view`: null where it is not asked for. */
export function examineProtection(view: ProtectionView | null): Finding[] {
  const platform = platformFinding();
  if (platform) return [platform];
  return [
    ...machineFindings(view),
    capabilitiesFinding(view, readFileSync("/proc/self/status", "utf8")),
    ...(view ? [stateFinding(view)] : []),
  ];
}

/** What the protection would need of this machine; the rest only a running companion knows. */
export function examineMachine(): Finding[] {
  const platform = platformFinding();
  return platform ? [platform] : machineFindings(null);
}

function machineFindings(view: ProtectionView | null): Finding[] {
  return [kernelFinding(release(), view), holderFinding(view), deviceFinding(view)];
}

const simulatedRules: Partial<Record<NodeJS.Platform, string>> = {
  darwin: "pf",
  win32: "the Windows filtering platform",
};

function platformFinding(): Finding | null {
  if (process.platform === "linux") return null;
  const rules = simulatedRules[process.platform];
  return {
    name: "Kill switch",
    verdict: "warning",
    detail: `The rules for ${rules ?? process.platform} are compiled and simulated, not run on a real host.`,
    remedy: "Rely on it on Linux alone.",
  };
}

/** @param version as in `6.12.3-amd64` */
export function kernelFinding(version: string, view: ProtectionView | null): Finding {
  const name = "Kernel";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const owns = major > 6 || (major === 6 && minor >= 9);
  const holding = view?.holding ? ` The rules are ${view.holding} now.` : "";
  if (owns) return good(name, `${version} lets a table be owned.${holding}`);
  return warning(
    name,
    `${version} lets other programs change the rules; they are watched and put back.${holding}`,
    "Linux 6.9 or later lets nobody else change them.",
  );
}

function holderFinding(view: ProtectionView | null): Finding {
  const name = "Holder of the rules";
  const addon = addonState().kind;
  if (existsSync(HOLDER) && addon === "loaded")
    return good(name, "atlantic-fw and the native addon are built.");
  const missing = addon === "loaded" ? "atlantic-fw is not built" : `The native addon is ${addon}`;
  const detail = `${missing}: the whole machine cannot be protected.`;
  return { name, verdict: view ? "bad" : "warning", detail, remedy: "npm run build:native" };
}

function deviceFinding(view: ProtectionView | null): Finding {
  const name = "Tunnel device";
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
    return good(name, "/dev/net/tun may be opened.");
  } catch {
    const detail = existsSync("/dev/net/tun")
      ? "/dev/net/tun may not be opened."
      : "There is no /dev/net/tun.";
    return {
      name,
      verdict: view ? "bad" : "warning",
      detail,
      remedy: "modprobe tun; udev gives it to everyone.",
    };
  }
}

/** @param status text of /proc/self/status */
export function capabilitiesFinding(view: ProtectionView | null, status: string): Finding {
  const name = "Capabilities";
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const missing = Object.entries(capabilities).flatMap(([each, bit]) =>
    (effective >> bit) & 1n ? [] : [`CAP_${each}`],
  );
  if (missing.length === 0) {
    const detail = view
      ? "This companion may protect the whole machine."
      : "Root's. They are not used: the whole machine is the service's work, sudo npx atlantic install.";
    return good(name, detail);
  }
  const detail = `This companion runs without ${missing.join(", ")}, so it serves browsers alone.`;
  return { name, verdict: view ? "bad" : "good", detail, remedy: view ? "sudo atlantic install" : null };
}

function stateFinding({ state, problem, blockingFailed, verdict, breaches }: ProtectionView): Finding {
  const name = "Protection";
  if (blockingFailed) {
    const detail = `The rules could not be put up, so nothing is certain to be blocked: ${problem ?? ""}`;
    return bad(name, detail, "See the journal of atlanticd and atlantic-fw.");
  }
  if (problem !== null) {
    return {
      name,
      verdict: state === "error" ? "bad" : "warning",
      detail: problem,
      remedy: "atlantic leaks",
    };
  }
  const checked = verdict ? `, ${verdict.findings.length} checks held` : "";
  const kept = breaches > 0 ? `; ${breaches} breaches are kept (atlantic leaks)` : "";
  return good(name, `The machine is ${state}${checked}${kept}.`);
}
