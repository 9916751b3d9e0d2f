import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import type { Command } from "commander";
import type { ControlClient } from "../control/control-client.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";
import { isOn } from "./on-or-off.ts";
import { breachesInWords, protectionInWords } from "./show-protection.ts";

/** Rules up, then the tunnel. */
export function connectMachine(context: CommandContext): Promise<void> {
  return ask(context, (client) => client.request("protection.connect", {}));
}

/** Needs the operating system's word. */
export function disconnectMachine(context: CommandContext): Promise<void> {
  return ask(context, async (client) => {
    await client.request("tier.raise", { to: "release" });
    return client.request("protection.disconnect", {});
  });
}

/** The words for what protects the whole machine, beside `connect` and `disconnect`. */
export function addProtection(root: Command, context: () => CommandContext): void {
  root
    .command("lockdown")
    .description("block everything whenever not connected, from boot on; off needs the system's word")
    .argument("<on|off>")
    .action((word: string) => setLockdown(context(), isOn(word)));
  root
    .command("allow-lan")
    .description("whether devices of the local network may be reached while protected")
    .argument("<on|off>")
    .action((word: string) => {
      const allowed = isOn(word);
      return ask(context(), (client) => client.request("protection.allowLan", { allowed }));
    });
  root
    .command("leaks")
    .description("look now whether anything gets out, and show what was kept of breaches")
    .action(() => withCompanion(async (client) => showLeaks(context(), client)));
}

/** `install` and `uninstall`, from a checkout. */
export function addInstall(root: Command, context: () => CommandContext): void {
  const run = async (word: "install" | "uninstall") => {
    // Only these need what knows the whole package.
    const service = await import("../service/install.ts");
    const lines: string[] = [];
    service[word]({ root: "/", say: (line) => lines.push(line) });
    show(context(), lines, (list) => list.join("\n"));
  };
  root
    .command("install")
    .description("as root, from a checkout: install the service that protects the whole machine")
    .action(() => run("install"));
  root
    .command("uninstall")
    .description("as root: take the service away; what it keeps stays")
    .action(() => run("uninstall"));
}

function setLockdown(context: CommandContext, on: boolean): Promise<void> {
  return ask(context, async (client) => {
    if (on) return client.request("protection.lockdown", {});
    await client.request("tier.raise", { to: "release" });
    return client.request("protection.unlock", {});
  });
}

/** With a breach now the command fails. */
async function showLeaks(context: CommandContext, client: ControlClient): Promise<void> {
  const protection = await client.request("protection.validate", {});
  const breaches = await client.request("protection.leaks", {});
  show(context, { verdict: protection.verdict, breaches }, () => {
    const findings = protection.verdict?.findings ?? [];
    const lines = findings.map(({ good, detail }) => `${good ? "ok  " : "BAD "}  ${detail}`);
    return [
      ...(lines.length > 0 ? lines : ["Nothing is promised now: the machine is open."]),
      breachesInWords(breaches),
    ].join("\n");
  });
  if (protection.verdict?.kept === false) process.exitCode = 1;
}

function ask(
  context: CommandContext,
  request: (client: ControlClient) => Promise<ProtectionView>,
): Promise<void> {
  return withCompanion(async (client) => {
    show(context, await request(client), (view) => protectionInWords(view).join("\n"));
  });
}
