import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../net/run.ts";
import { expectSame, type Program, sites } from "./program.ts";

const PORT = 8084;
const PACKAGES = ["lab-first", "lab-second", "lab-third"] as const;
const PACKAGE_BYTES = 5_000_000;

/** Lists and packages from a mirror; nothing of the system's own apt is touched. */
export const apt: Program = {
  name: "apt update and download from a mirror",
  targets: [`${sites.mirror.name}:${PORT}`],
  async serve({ folder, outside }) {
    const mirror = join(folder, "mirror");
    await makeMirror(folder, mirror);
    const argv = ["/usr/bin/python3", "-m", "http.server", String(PORT), "--bind", "::", "-d", mirror];
    await outside(argv).listening(PORT);
  },
  async use(place) {
    const options = prepareApt(place.folder);
    const aptGet = (...argv: readonly string[]) => place.onMachine(["apt-get", ...options, ...argv]);
    await aptGet("update");
    await aptGet("install", "--yes", "--download-only", PACKAGES[2]);
    const got = join(place.folder, "apt", "archives");
    const files = readdirSync(got).filter((file) => file.endsWith(".deb"));
    expectSame("Packages that were downloaded", files.length, PACKAGES.length);
    for (const file of files)
      expectSame(file, digestOf(join(got, file)), digestOf(join(place.folder, "mirror", file)));
    return `lists, and ${files.length} packages of ${PACKAGE_BYTES / 1e6} MB, as the mirror has them`;
  },
};

/** Each package needs the one before. */
async function makeMirror(folder: string, mirror: string): Promise<void> {
  mkdirSync(mirror);
  const stanzas: string[] = [];
  for (const [at, name] of PACKAGES.entries()) {
    const tree = join(folder, "deb", name);
    mkdirSync(join(tree, "DEBIAN"), { recursive: true });
    const before = PACKAGES[at - 1];
    const control = [
      ...[`Package: ${name}`, "Version: 1.0", "Architecture: all", "Maintainer: lab <lab@lab.test>"],
      ...(before === undefined ? [] : [`Depends: ${before}`]),
      "Description: bytes",
    ].join("\n");
    writeFileSync(join(tree, "DEBIAN", "control"), `${control}\n`);
    writeFileSync(join(tree, "bytes"), randomBytes(PACKAGE_BYTES));
    const file = `${name}_1.0_all.deb`;
    await must(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, join(mirror, file)]);
    const size = statSync(join(mirror, file)).size;
    stanzas.push(`${control}\nFilename: ./${file}\nSize: ${size}\nSHA256: ${digestOf(join(mirror, file))}\n`);
  }
  writeFileSync(join(mirror, "Packages"), `${stanzas.join("\n")}\n`);
}

/** @returns options by which apt has folders of its own and this one source */
function prepareApt(folder: string): string[] {
  const own = join(folder, "apt");
  for (const each of ["lists/partial", "archives/partial", "parts"])
    mkdirSync(join(own, each), { recursive: true });
  writeFileSync(join(own, "status"), "");
  writeFileSync(join(own, "sources"), `deb [trusted=yes] http://${sites.mirror.name}:${PORT}/ ./\n`);
  const settings: Readonly<Record<string, string>> = {
    "Dir::Etc::sourcelist": join(own, "sources"),
    "Dir::Etc::sourceparts": join(own, "parts"),
    "Dir::State::lists": join(own, "lists"),
    "Dir::State::status": join(own, "status"),
    "Dir::Cache": own,
    "Dir::Cache::archives": join(own, "archives"),
    "Dir::Log": own,
    "APT::Sandbox::User": "root",
    "APT::Update::Error-Mode": "any",
    "Acquire::http::Proxy": "DIRECT",
    "Acquire::Languages": "none",
  };
  return ["-q", ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
}

function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
