import { COMPANION_NODE_FLAGS } from "../node-flags.ts";
import { RELEASE_ACTION } from "./ask-polkit.ts";

/** One file of the service, beside the product itself. */
export interface ServiceFile {
  /** From the root of the system. */
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** Where the product lies on a system that it is installed on. */
export const PRODUCT = "/usr/lib/atlantic";
export const COMMAND = "/usr/bin/atlantic";
const NODE = `${PRODUCT}/node/bin/node`;

export const units = ["atlantic-early-boot.service", "atlantic-fw.service", "atlanticd.service"] as const;

/** What no unit may do. Each adds the addresses, directories and capabilities that it needs. */
const hardening = `NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
ProtectKernelTunables=yes
UMask=0077`;

/** Of what runs on and on. */
const ofServices = `User=atlantic
Group=atlantic
PrivateTmp=yes
${hardening}`;

const earlyBoot = `[Unit]
Description=Atlantic Proxy: block everything before the network comes up
Documentation=file:${PRODUCT}/docs/companion.md
# The file is there while the machine is wanted protected, or locked.
ConditionPathExists=/var/lib/atlantic/blocked-at-boot
DefaultDependencies=no
RequiresMountsFor=/var/lib/atlantic /usr
After=local-fs.target
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
# Static rules, without Node: atlantic-fw takes the table over.
ExecStart=/usr/sbin/nft -f ${PRODUCT}/blocked.nft
ExecStart=/bin/sh ${PRODUCT}/block-links.sh
# As root, which needs no user to be there yet; of root's capabilities it has one.
${hardening}
CapabilityBoundingSet=CAP_NET_ADMIN
RestrictAddressFamilies=AF_NETLINK
MemoryDenyWriteExecute=yes
DevicePolicy=closed

[Install]
WantedBy=sysinit.target
`;

const firewall = `[Unit]
Description=Atlantic Proxy: holder of the firewall's rules
Documentation=file:${PRODUCT}/docs/companion.md
# Early: where rules stood when the machine went down, it blocks everything again, static rules or not. The network
# waits for it to say that they are there.
DefaultDependencies=no
RequiresMountsFor=/var/lib/atlantic-fw /usr
After=local-fs.target systemd-sysusers.service systemd-tmpfiles-setup.service atlantic-early-boot.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
TimeoutStartSec=10
ExecStart=${PRODUCT}/native/dist/atlantic-fw --socket /run/atlantic-fw/firewall.sock --state /var/lib/atlantic-fw/rules
# Rules stay when this ends, whatever ends it: there is nothing to clean up, and nothing may.
Restart=always
RestartSec=200ms
${ofServices}
AmbientCapabilities=CAP_NET_ADMIN
CapabilityBoundingSet=CAP_NET_ADMIN
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# A few settings of the links themselves (src_valid_mark, arp_ignore).
ReadWritePaths=/proc/sys/net
MemoryDenyWriteExecute=yes
PrivateDevices=yes
RuntimeDirectory=atlantic-fw
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
StateDirectory=atlantic-fw
StateDirectoryMode=0700
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`;

const daemon = `[Unit]
Description=Atlantic Proxy: tunnel, kill switch and local proxy
Documentation=file:${PRODUCT}/docs/companion.md
Wants=atlantic-fw.service
After=local-fs.target atlantic-fw.service
StartLimitIntervalSec=0
# Which upstreams there are is yours to say: docs/companion.md.
ConditionPathExists=/etc/atlantic/config.json

[Service]
# Its start is over when it answers its control socket and what was wanted last is in force, blocked or open. It waits
# for no network and no upstream, so whatever comes after it, and the boot, does not either.
Type=notify
NotifyAccess=main
# It takes a second or two. The holder alone is waited for up to 30 s, and a machine may be slow: a start that is cut
# off begins at the beginning.
TimeoutStartSec=180
# A daemon that hangs is ended and started again. Its event loop says every 30 s that it turns. Bytes are moved on
# threads of their own and lists are read by another process, so each turn is short: one that is late by another 30 s
# is a hang, and not a busy machine. Time in which the machine sleeps does not count.
WatchdogSec=60
# At once, and without a core dump: that would hold passwords.
WatchdogSignal=SIGKILL
Environment=ATLANTIC_SERVICE=1 ATLANTIC_LOG=info
ExecStart=${NODE} --disable-warning=ExperimentalWarning ${COMPANION_NODE_FLAGS.join(" ")} ${PRODUCT}/companion/src/main.ts
# No clean-up after it: what it leaves blocked stays blocked until it runs again.
Restart=always
RestartSec=1
TimeoutStopSec=10
${ofServices}
# NET_RAW: the validator watches links for packets that should not leave. Nothing else uses it.
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
ReadWritePaths=/proc/sys/net
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
# Not MemoryDenyWriteExecute: V8 compiles at run time.
RuntimeDirectory=atlantic
RuntimeDirectoryMode=0750
StateDirectory=atlantic
StateDirectoryMode=0700
ConfigurationDirectory=atlantic
ConfigurationDirectoryMode=0750
LimitNOFILE=65536
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
`;

/** Which links there are is known at boot alone. What is plugged in later gets its chain from the holder. */
const blockLinks = `# Frames that are written past the IP stack meet the chain "egress" on every link that is there.
number=0
for path in /sys/class/net/*; do
  link=\${path##*/}
  # Not loopback, nor what is no link (bonding_masters).
  if [ "$link" = lo ] || [ ! -e "$path/ifindex" ]; then continue; fi
  number=$((number + 1))
  hook="type filter hook egress device \\"$link\\" priority 0; policy drop;"
  /usr/sbin/nft "add chain netdev atlantic boot$number { $hook }; add rule netdev atlantic boot$number jump egress" ||
    echo "Frames past the IP stack are not filtered on $link (Linux before 5.16 cannot)." >&2
done
`;

const polkitPolicy = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/PolicyKit/1.0/policyconfig.dtd">
<policyconfig>
  <vendor>Atlantic Proxy</vendor>
  <action id="${RELEASE_ACTION}">
    <description>Disconnect or unlock Atlantic Proxy</description>
    <message>Authentication is required to let this machine talk without protection</message>
    <defaults>
      <allow_any>auth_admin</allow_any>
      <allow_inactive>auth_admin</allow_inactive>
      <allow_active>auth_admin</allow_active>
    </defaults>
    <!-- The service may ask about this action although it is not root. -->
    <annotate key="org.freedesktop.policykit.owner">unix-user:atlantic</annotate>
  </action>
</policyconfig>
`;

const user = `# The service's own user; members of its group may steer the service.
u atlantic - "Atlantic Proxy" /var/lib/atlantic
`;

const command = `#!/bin/sh
exec ${NODE} --disable-warning=ExperimentalWarning ${PRODUCT}/companion/src/cli/main.ts "$@"
`;

/**
 * Every file of the service but the product itself.
 * @param blocked the rules of early boot, for `nft -f`
 */
export function serviceFiles(blocked: string): readonly ServiceFile[] {
  const unit = (name: (typeof units)[number], text: string) => file(`/usr/lib/systemd/system/${name}`, text);
  return [
    unit("atlantic-early-boot.service", earlyBoot),
    unit("atlantic-fw.service", firewall),
    unit("atlanticd.service", daemon),
    file("/usr/share/polkit-1/actions/org.atlantic_proxy.policy", polkitPolicy),
    file("/usr/lib/sysusers.d/atlantic.conf", user),
    file(`${PRODUCT}/blocked.nft`, blocked),
    file(`${PRODUCT}/block-links.sh`, blockLinks),
    file(COMMAND, command, 0o755),
  ];
}

function file(path: string, text: string, mode = 0o644): ServiceFile {
  return { path, text, mode };
}
