import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { addresses, macs, physicalLink } from "../leaks/machine.ts";

const UNITS = "etc/systemd/system";
/** Where the sender writes down when it sent, from the root of the system. */
export const sentLog = "var/lib/lab/sent";

/** systemd-networkd brings the link up as soon as systemd lets it, without asking anybody. */
const network = `[Match]
Name=${physicalLink}

[Network]
Address=${addresses.machine[4]}/24
Address=${addresses.machine[6]}/64
Gateway=${addresses.outside[4]}
Gateway=${addresses.outside[6]}
IPv6AcceptRA=no
`;

/**
 * First of all to start. Nothing stops it: it is not told to end with the others, and a process of root's whose name
 * begins with @ is spared by the last killing before the end (systemd's "Storage Daemons for the Root File System").
 */
const sender = `[Unit]
Description=Lab: sends whatever can be sent
DefaultDependencies=no

[Service]
ExecStart=@/usr/bin/python3 @sender -B /usr/lib/lab/sender.py ${physicalLink} ${macs.outside} /${sentLog}
Restart=always
`;

/** The product's Debian package, on the machine. */
export const packageFile = "/usr/lib/lab/product.deb";

/** A service that the split tunnel leaves out. It sends what nobody else does (RFC 3692: an experiment's protocol). */
export const besideUnit = "lab-beside.service";
export const besideProtocol = 253;
const beside = `[Unit]
Description=Lab: goes beside the tunnel
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 -c 'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, ${besideProtocol}); \\
  any(s.sendto(b"lab", ("100.100.1.1", 0)) and time.sleep(0.02) for _ in iter(int, 1))'
Restart=always
`;

/** What all machines have something of: it takes its time to end, while the product's services have ended already. */
const slow = `[Unit]
Description=Lab: ends slowly

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sleep 1
`;

/** Writes what a system has in the lab beside Debian's own files. */
export function writeAdditions(folder: string, product: string): void {
  write(folder, "etc/systemd/network/10-lab.network", network);
  write(folder, `${UNITS}/lab-sender.service`, sender);
  write(folder, `${UNITS}/${besideUnit}`, beside);
  write(folder, `${UNITS}/lab-slow.service`, slow);
  mkdirSync(join(folder, "usr/lib/lab"), { recursive: true });
  copyFileSync(join(import.meta.dirname, "sender.py"), join(folder, "usr/lib/lab/sender.py"));
  copyFileSync(product, join(folder, packageFile));
  enable(folder, "sysinit.target", "lab-sender.service", "..");
  enable(folder, "multi-user.target", "lab-slow.service", "..");
  enable(folder, "multi-user.target", "systemd-networkd.service", "/lib/systemd/system");
}

function enable(folder: string, target: string, unit: string, place: string): void {
  const wants = join(folder, UNITS, `${target}.wants`);
  mkdirSync(wants, { recursive: true });
  symlinkSync(join(place, unit), join(wants, unit));
}

function write(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}
