import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Capture, startCapture } from "./capture/capture.ts";
import { startDante } from "./exits/dante.ts";
import type { ExitOptions, LabExit, RunningExit } from "./exits/exit.ts";
import { startOwnExit } from "./exits/own-exit.ts";
import { startSquid } from "./exits/squid.ts";
import { labFolder, nextLabPrefix } from "./lab-name.ts";
import { NamespaceProcess, type SpawnOptions } from "./net/namespace-process.ts";
import {
  type LabNamespace,
  makeNamespaces,
  namespaceName,
  removeLeftovers,
  removeNamespaces,
} from "./net/namespaces.ts";
import { type Finished, type RunOptions, run } from "./net/run.ts";
import { labProblem } from "./requirements.ts";
import { type Certificates, makeCertificates } from "./sites/certificates.ts";
import { parseSiteRequest, type SiteRequest } from "./sites/site-request.ts";
import { nodeOf, type Role } from "./topology.ts";

export interface LabOptions {
  /** More names for the hosts table, each with its address. */
  readonly hosts?: Readonly<Record<string, string>>;
}

/** A small internet in network namespaces. It must be closed; what a killed process leaves, the next lab removes. */
export interface Lab {
  /** The full names, for `ip netns exec`. */
  readonly namespaces: Readonly<Record<LabNamespace, string>>;
  readonly exits: readonly LabExit[];
  /** Files of the certificate that all sites use, and of the authority to trust for it. */
  readonly certificates: Certificates;
  /** A folder that is removed with the lab. */
  readonly folder: string;
  /** The first IPv4 address of a node. */
  address(role: Role): string;
  /** Runs a program in a namespace to its end; a failure of the program does not throw. */
  exec(role: LabNamespace, argv: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Starts a program in a namespace; it is ended with the lab. */
  spawn(role: LabNamespace, argv: readonly string[], options?: SpawnOptions): NamespaceProcess;
  /** Captures what passes `eth0` of a node, in both directions. */
  capture(role: Role, filter?: string): Promise<Capture>;
  /** Requests that the sites have seen so far. */
  requests(): SiteRequest[];
  close(): Promise<void>;
}

const HTTP_PORT = 80;
const TLS_PORT = 443;

/** Builds a lab: namespaces, sites and exits, all running when it returns. Throws where `labProblem` tells one. */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const problem = labProblem();
  if (problem !== undefined) throw new Error(problem);
  await removeLeftovers();
  const prefix = nextLabPrefix();
  const folder = labFolder(prefix);
  // Exits that give up root pass through to their own folders; what else lies here is root's.
  mkdirSync(folder, { mode: 0o711 });
  const processes: NamespaceProcess[] = [];
  const close = async () => {
    await Promise.all(processes.map((each) => each.stop()));
    await removeNamespaces(prefix);
  };
  try {
    return await build(prefix, folder, options, processes, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  prefix: string,
  folder: string,
  options: LabOptions,
  processes: NamespaceProcess[],
  close: () => Promise<void>,
): Promise<Lab> {
  await makeNamespaces(prefix, options.hosts);
  const certificates = await makeCertificates(folder, ["*.lab.test", "*.exits.lab.test"]);
  const [sites, exits] = await Promise.all([startSites(prefix, certificates), startExits(prefix, folder)]);
  processes.push(sites, ...exits.map((exit) => exit.process));
  let captures = 0;
  return {
    namespaces: allNames(prefix),
    exits: exits.map(({ process: _, ...exit }) => exit),
    certificates,
    folder,
    address: (role) => nodeOf(role).addresses[0],
    exec: (role, argv, runOptions) =>
      run(["ip", "netns", "exec", namespaceName(prefix, role), ...argv], runOptions),
    spawn(role, argv, spawnOptions) {
      const started = new NamespaceProcess(namespaceName(prefix, role), argv, spawnOptions);
      processes.push(started);
      return started;
    },
    capture(role, filter = "") {
      captures += 1;
      return startCapture(namespaceName(prefix, role), filter, join(folder, `${role}-${captures}.pcap`));
    },
    requests: () => sites.lines.map(parseSiteRequest),
    close,
  };
}

function allNames(prefix: string): Record<LabNamespace, string> {
  const name = (role: LabNamespace) => namespaceName(prefix, role);
  return {
    router: name("router"),
    client: name("client"),
    gateway: name("gateway"),
    "exit-us": name("exit-us"),
    "exit-de": name("exit-de"),
    "exit-jp": name("exit-jp"),
    sites: name("sites"),
  };
}

async function startSites(prefix: string, { certificate, key }: Certificates): Promise<NamespaceProcess> {
  const program = join(import.meta.dirname, "sites/site.ts");
  const argv = [process.execPath, program, String(HTTP_PORT), String(TLS_PORT), certificate, key];
  const started = new NamespaceProcess(namespaceName(prefix, "sites"), argv);
  await started.listening(TLS_PORT);
  return started;
}

async function startExits(prefix: string, folder: string): Promise<RunningExit[]> {
  const optionsFor = (role: LabExit["role"]): ExitOptions => {
    const ownFolder = join(folder, role);
    mkdirSync(ownFolder);
    return {
      namespace: namespaceName(prefix, role),
      folder: ownFolder,
      username: `lab${randomBytes(4).toString("hex")}`,
      password: randomBytes(12).toString("hex"),
    };
  };
  return Promise.all([
    startSquid(optionsFor("exit-us")),
    startDante(optionsFor("exit-de")),
    startOwnExit(optionsFor("exit-jp")),
  ]);
}
