import { execFile } from "node:child_process";
import { MARK, type TunnelLink } from "../firewall/policy.ts";

/** Beside the firewall's own table: what stands here protects nothing, it only makes names work. */
const NAMES_TABLE = "atlantic_names";

/**
 * Where the resolver takes the questions that were led to it. Not 53: the rules see a packet with the link that it was
 * to leave by, and refuse whatever still asks for that port there.
 */
export const LED_PORT = 1053;

const PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;

/**
 * Leads the machine's questions for names to our resolver, whichever server its programs were set up to ask: the rules
 * refuse every other one. Nothing of the system's own settings is changed, so nothing has to be put back.
 * @throws Error when nft cannot do it
 */
export function leadNames({ dns4, dns6 }: TunnelLink): Promise<void> {
  return nft(`
    table inet ${NAMES_TABLE} {}
    delete table inet ${NAMES_TABLE}
    table inet ${NAMES_TABLE} {
      chain own {
        type nat hook output priority -110; policy accept;
        meta mark ${MARK} return
        oif lo return
        meta nfproto ipv4 meta l4proto { tcp, udp } th dport 53 dnat ip to ${dns4}:${LED_PORT}
        meta nfproto ipv6 meta l4proto { tcp, udp } th dport 53 dnat ip6 to [${dns6}]:${LED_PORT}
      }
    }`);
}

/** Idempotent. @throws Error when nft cannot do it */
export function stopLeadingNames(): Promise<void> {
  return nft(`
    table inet ${NAMES_TABLE} {}
    delete table inet ${NAMES_TABLE}`);
}

function nft(commands: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile("nft", ["-f", "-"], { env: { ...process.env, PATH } }, (error, _, stderr) => {
      const why = stderr.trim().split("\n")[0];
      if (error)
        reject(new Error(`Names cannot be led to our resolver: ${why || error.message}`, { cause: error }));
      else resolve();
    });
    child.stdin?.end(commands);
  });
}
