import { MARK } from "../policy.ts";
import type { WfpCondition, WfpFilter, WfpPolicy } from "../print-wfp.ts";
import { hasPorts, type Packet } from "./packet.ts";
import { withinNetwork } from "./within-network.ts";

/**
 * What the Windows filtering platform makes of the first packet of a flow: of the filters of its layer whose conditions
 * hold, that with the highest weight decides. Within a field one condition must hold, and one of each field.
 */
export function simulateWfp({ filters }: WfpPolicy, packet: Packet, program: string): WfpFilter["action"] {
  const layer = `FWPM_LAYER_ALE_AUTH_${packet.path === "input" ? "RECV_ACCEPT" : "CONNECT"}_V${packet.family}`;
  const [first] = filters
    .filter((filter) => filter.layer === layer && holds(filter, packet, program))
    .sort((one, other) => other.weight - one.weight);
  // Windows lets pass what no filter is for.
  return first?.action ?? "FWP_ACTION_PERMIT";
}

function holds({ conditions }: WfpFilter, packet: Packet, program: string): boolean {
  const fields = Map.groupBy(conditions, ({ field }) => field);
  return [...fields.values()].every((all) => {
    const unequal = all.filter(({ match }) => match === "NOT_EQUAL");
    const others = all.filter(({ match }) => match !== "NOT_EQUAL");
    return (
      unequal.every((each) => !isEqual(each, packet, program)) &&
      (others.length === 0 || others.some((each) => isEqual(each, packet, program)))
    );
  });
}

function isEqual({ field, value }: WfpCondition, packet: Packet, program: string): boolean {
  const incoming = packet.path === "input";
  const link = incoming ? packet.into : packet.out;
  const [local, remote] = incoming
    ? (["destination", "source"] as const)
    : (["source", "destination"] as const);
  switch (field) {
    case "FLAGS":
      return link.loopback === true;
    case "INTERFACE_INDEX":
      return link.index === value;
    case "ALE_APP_ID":
      return value === (packet.mark === MARK ? program : "another");
    case "IP_PROTOCOL":
      return value === { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 }[packet.protocol];
    case "IP_LOCAL_ADDRESS":
      return withinNetwork(packet[local], value);
    case "IP_REMOTE_ADDRESS":
      return withinNetwork(packet[remote], value);
    case "IP_LOCAL_PORT":
      return value === (hasPorts(packet.protocol) ? packet[`${local}Port`] : packet.icmpType);
    case "IP_REMOTE_PORT":
      return value === (hasPorts(packet.protocol) ? packet[`${remote}Port`] : packet.icmpCode);
  }
}
