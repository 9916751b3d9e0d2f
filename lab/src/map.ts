import { proxyUrl } from "./check.ts";
import type { GatewayInLab } from "./gateway-in-lab.ts";
import type { Lab } from "./lab.ts";
import { nodes } from "./topology.ts";

/** What a person needs to use the lab: who is where, and commands to copy. */
export function labMap(lab: Lab, gateway?: GatewayInLab): string {
  const rows = nodes.map(({ role, addresses, names }) => [
    role,
    addresses.join(" "),
    lab.namespaces[role],
    names.join(" "),
  ]);
  const exits = lab.exits.map((exit) => [
    exit.country,
    `${exit.program}, ${exit.protocol}`,
    `${exit.address}:${exit.port}`,
    `${exit.username}:${exit.password}`,
  ]);
  const curl = `ip netns exec ${lab.namespaces.client} curl --cacert ${lab.certificates.authority}`;
  const [firstExit] = lab.exits;
  return [
    "A small internet in network namespaces. Nothing leaves it.",
    "",
    table([["node", "address", "namespace", "names"], ...rows]),
    "",
    table([["exit", "program", "listens on", "credential"], ...exits]),
    "",
    "A site, directly and through an exit:",
    `  ${curl} https://shop.lab.test/address`,
    ...(firstExit ? [`  ${curl} -x ${proxyUrl(firstExit)} https://shop.lab.test/address`] : []),
    ...(gateway
      ? [
          "Through our gateway, which has these exits as its upstreams (cc-us, cc-de, cc-jp):",
          `  ${curl} -x ${gateway.proxyUrl("http", "cc-de")} https://shop.lab.test/address`,
          `  ${curl} -x ${gateway.proxyUrl("socks5h", "cc-jp")} https://shop.lab.test/address`,
        ]
      : []),
    "A shell of the client, and what it sends:",
    `  ip netns exec ${lab.namespaces.client} bash`,
    `  ip netns exec ${lab.namespaces.client} tcpdump -ni eth0`,
    "Sites: /address, /bytes/N, /echo and the WebSocket /ws, on ports 80 and 443 (HTTP/1.1 and h2).",
    "",
  ].join("\n");
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd())
    .join("\n");
}
