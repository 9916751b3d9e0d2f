import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { VERSION } from "../version.ts";
import { layOut } from "./lay-out.ts";
import { PRODUCT, units } from "./service-files.ts";

const architectures: Partial<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

const SERVICES = units.join(" ");

/** Rules that stand are left standing by an upgrade: services are started anew, and take them over. */
const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
  systemd-sysusers /usr/lib/sysusers.d/atlantic.conf
  install -d -m 0750 -o root -g atlantic /etc/atlantic
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --quiet ${SERVICES}
    systemctl restart atlantic-fw.service
    # Its start may fail, for example over a damaged configuration: it is tried again, and the package is installed.
    systemctl restart atlanticd.service || true
  fi
  if [ ! -e /etc/atlantic/config.json ]; then
    echo "Say which upstreams there are in /etc/atlantic/config.json (see ${PRODUCT}/docs/companion.md), then: systemctl start atlanticd"
  fi
fi
`;

/** Removal must not open what is wanted closed: the person says so first. */
const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ]; then
  if [ -e /var/lib/atlantic/blocked-at-boot ]; then
    echo "This machine is connected or locked. Before removal: atlantic disconnect, atlantic lockdown off" >&2
    exit 1
  fi
  if [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now ${[...units].reverse().join(" ")}
  fi
fi
`;

const postrm = `#!/bin/sh
set -e
# The holder's folder outlives it, for the next one.
case "$1" in remove | purge) rm -rf /run/atlantic-fw ;; esac
if [ "$1" = purge ]; then
  rm -rf /var/lib/atlantic /var/lib/atlantic-fw /etc/atlantic
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
`;

function control(architecture: string, kilobytes: number): string {
  return `Package: atlantic-proxy
Version: ${VERSION}
Architecture: ${architecture}
Maintainer: Atlantic Proxy <packages@atlantic-proxy.invalid>
Installed-Size: ${kilobytes}
Depends: libc6 (>= 2.34), libstdc++6, iproute2, nftables, systemd
Recommends: polkitd
Section: net
Priority: optional
Description: tunnel and kill switch for SOCKS5 and CONNECT proxies
 Carries all of a machine's traffic through a proxy, and blocks it where that
 cannot be done: rules in the kernel, held by a process of their own, that no
 crash opens. With a resolver that filters, failover between upstreams, and a
 validator that looks all the time whether anything gets out.
`;
}

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Atlantic Proxy

Files: *
Copyright: the authors of Atlantic Proxy
License: GPL-3.0-or-later
 On Debian systems the text is in /usr/share/common-licenses/GPL-3.

Files: usr/lib/atlantic/node/*
Copyright: Node.js contributors
License: Expat
 The text is that of https://github.com/nodejs/node/blob/main/LICENSE.

Files: usr/lib/atlantic/node_modules/*
Copyright: the authors named in each package
License: as named in each package
 Each package holds its licence.
`;

/**
 * Builds the Debian package of the service.
 * @returns its path in `to`
 * @throws ClearError when something has not been built; Error when dpkg-deb is not there
 */
export function buildPackage(to: string): string {
  const architecture = architectures[process.arch] ?? process.arch;
  const root = mkdtempSync(join(tmpdir(), "atlantic-package-"));
  try {
    chmodSync(root, 0o755);
    layOut(root);
    writeDocumentation(root);
    openToReaders(root);
    writeControl(root, architecture);
    mkdirSync(to, { recursive: true });
    const file = join(to, `atlantic-proxy_${VERSION}_${architecture}.deb`);
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zzstd", "-z9", "--build", root, file], {
      stdio: "pipe",
    });
    return file;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function writeDocumentation(root: string): void {
  const folder = join(root, "usr/share/doc/atlantic-proxy");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "copyright"), copyright);
  const entry = `atlantic-proxy (${VERSION}) stable; urgency=medium\n\n  * See the history of the sources.\n\n -- Atlantic Proxy <packages@atlantic-proxy.invalid>  Mon, 30 Nov 2026 00:00:00 +0000\n`;
  writeFileSync(join(folder, "changelog.gz"), gzipSync(entry, { level: 9 }));
}

/** Whatever the umask was: everyone may read, and run what may be run. */
function openToReaders(root: string): void {
  for (const path of everything(root)) {
    const { mode } = statSync(path);
    const isProgram = (mode & 0o100) !== 0;
    chmodSync(path, isProgram ? 0o755 : 0o644);
  }
}

function writeControl(root: string, architecture: string): void {
  const folder = join(root, "DEBIAN");
  const files = everything(root).filter((path) => statSync(path).isFile());
  const kilobytes = Math.ceil(files.reduce((sum, path) => sum + statSync(path).size, 0) / 1024);
  const sums = files.map((path) => `${md5(path)}  ${relative(root, path)}\n`).join("");
  mkdirSync(folder, { mode: 0o755 });
  writeFileSync(join(folder, "control"), control(architecture, kilobytes));
  writeFileSync(join(folder, "md5sums"), sums);
  for (const [name, text] of Object.entries({ postinst, prerm, postrm })) {
    writeFileSync(join(folder, name), text, { mode: 0o755 });
  }
}

/** Files and directories below a root, links left out. */
function everything(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

function md5(path: string): string {
  return createHash("md5").update(readFileSync(path)).digest("hex");
}
