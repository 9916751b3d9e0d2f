import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { creatorOf, isAlive, labFolder } from "../lab-name.ts";
import { nodes, type Role } from "../topology.ts";
import { ipBatch } from "./ip-batch.ts";
import { etcFiles, linkCommand, nodeCommands, routerCommands, routerSettings } from "./links.ts";
import { kill, processesIn } from "./processes.ts";
import { must, run } from "./run.ts";

/** Where iproute2 keeps the names of namespaces, and the files it lays over /etc in each. */
const NAMES = "/run/netns";
const ETC = "/etc/netns";

export type LabNamespace = Role | "router";

/** The full name of a node's namespace. */
export function namespaceName(prefix: string, role: LabNamespace): string {
  return `${prefix}-${role}`;
}

/** Makes the namespaces of one lab, joins them and gives them addresses, routes and names. */
export async function makeNamespaces(
  prefix: string,
  extraHosts: Readonly<Record<string, string>> = {},
): Promise<void> {
  const router = namespaceName(prefix, "router");
  const all = [router, ...nodes.map(({ role }) => namespaceName(prefix, role))];
  for (const name of all) writeEtcFiles(name, etcFiles(extraHosts));
  await ipBatch(
    null,
    all.map((name) => `netns add ${name}`),
  );
  await ipBatch(
    null,
    nodes.map((node) => linkCommand(node, namespaceName(prefix, node.role), router)),
  );
  await Promise.all([
    ...nodes.map((node) => ipBatch(namespaceName(prefix, node.role), nodeCommands(node))),
    ipBatch(router, routerCommands(nodes)),
    must(["ip", "netns", "exec", router, "sysctl", "-qw", ...routerSettings]),
  ]);
}

/** Lays files over those of /etc inside a namespace, for programs started from now on. */
export function writeEtcFiles(namespace: string, files: Readonly<Record<string, string>>): void {
  const folder = join(ETC, namespace);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
}

/** Ends every process in the namespaces with this prefix, and removes them and the lab's files. Safe to call twice. */
export async function removeNamespaces(prefix: string): Promise<void> {
  const names = labNamespaces().filter((name) => name.startsWith(`${prefix}-`));
  await Promise.all(names.map(endProcesses));
  for (const name of names) {
    await run(["ip", "netns", "delete", name]);
    rmSync(join(ETC, name), { recursive: true, force: true });
  }
  const folder = labFolder(prefix);
  for (const path of mountsBelow(folder)) await run(["umount", "--lazy", path]);
  rmSync(folder, { recursive: true, force: true });
}

/** What a killed lab left mounted in its folder, the innermost first. */
function mountsBelow(folder: string): string[] {
  const paths = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  return paths.filter((path) => path.startsWith(`${folder}/`)).reverse();
}

/** Removes labs whose makers are gone without cleaning up. */
export async function removeLeftovers(): Promise<void> {
  const prefixes = new Set<string>();
  for (const name of labNamespaces()) {
    const creator = creatorOf(name);
    if (creator && !isAlive(creator)) prefixes.add(name.split("-").slice(0, 4).join("-"));
  }
  for (const prefix of prefixes) await removeNamespaces(prefix);
}

/** Names of all namespaces that labs made, this one and others, whole or half made. */
function labNamespaces(): string[] {
  const names = [NAMES, ETC].flatMap((folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  });
  return [...new Set(names)].filter((name) => creatorOf(name) !== undefined);
}

/** Ends whatever still runs inside: the namespace is the lab's own, and so is all that is in it. */
async function endProcesses(namespace: string): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const pids = await processesIn(namespace);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid, "SIGKILL");
    await delay(20);
  }
  throw new Error(
    `Processes in the namespace ${namespace} do not end: look at "ip netns pids ${namespace}".`,
  );
}
