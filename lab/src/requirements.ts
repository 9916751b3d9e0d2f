import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** A program that the lab runs, the Debian package that has it, and what it is for. */
interface LabProgram {
  readonly program: string;
  readonly package: string;
  readonly purpose: string;
}

const labPrograms: readonly LabProgram[] = [
  { program: "ip", package: "iproute2", purpose: "makes the namespaces and the links between them" },
  { program: "tcpdump", package: "tcpdump", purpose: "captures what a namespace sends" },
  { program: "nft", package: "nftables", purpose: "loads the rules that the leak matrix tries" },
  {
    program: "/usr/bin/python3",
    package: "python3",
    purpose: "sends and answers the probes of the leak matrix",
  },
  { program: "cc", package: "gcc", purpose: "builds the clock that faults shift" },
  { program: "openssl", package: "openssl", purpose: "makes the certificates of the sites" },
  { program: "squid", package: "squid", purpose: "is the exit in the United States" },
  { program: "danted", package: "dante-server", purpose: "is the exit in Germany" },
  { program: "curl", package: "curl", purpose: "is the client" },
];

/** Where daemons live, which an ordinary PATH leaves out. */
const daemonFolders = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/** The path of an installed program, or undefined. */
function findProgram(program: string, path = process.env.PATH ?? ""): string | undefined {
  if (program.startsWith("/")) return isExecutable(program) ? program : undefined;
  return [...path.split(delimiter), ...daemonFolders]
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why the lab cannot run here, in one sentence with the remedy; undefined when it can. */
export function labProblem(): string | undefined {
  if (process.platform !== "linux") {
    return `The lab is made of Linux network namespaces and cannot run on ${process.platform}: use a Linux machine.`;
  }
  if (process.getuid?.() !== 0) {
    return "The lab makes network namespaces, which needs root: run it again with sudo.";
  }
  const missing = labPrograms.filter(({ program }) => findProgram(program) === undefined);
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map((each) => each.package))].join(" ");
  const names = missing.map(({ program }) => program).join(", ");
  return `The lab needs ${names}, which this machine does not have: on Debian, apt-get install ${packages}.`;
}
