/**
 * A tunnel in the client's namespace, steered by lines of JSON. Loads the one rule that it cannot do without: TCP that
 * would leave by the device is redirected. Says each trouble, and the answer to each order.
 */
import { execFileSync } from "node:child_process";
import { createInterface } from "node:readline";
import type { SplitRules, TunnelLink } from "../../firewall/policy.ts";
import { openTunnel, type TunnelUpstream } from "../tunnel.ts";

interface Order {
  readonly id: number;
  readonly use?: TunnelUpstream | null;
  readonly keep?: boolean;
  readonly routes?: "up" | "down";
  readonly allowLan?: boolean;
  readonly counters?: true;
  readonly close?: true;
}

const say = (line: object): void =>
  void process.stdout.write(
    `${JSON.stringify(line, (_key, value: unknown) => (typeof value === "bigint" ? Number(value) : value))}\n`,
  );

const settings = JSON.parse(process.argv[2] ?? "{}") as {
  mark: number;
  split: SplitRules | null;
  names: Record<string, string>;
  allowLan?: boolean;
  holdMs?: number;
};

function redirect({ index, redirectPort }: TunnelLink): void {
  const tables = ["ip", "ip6"].map(
    (family) => `
    table ${family} atlantic {}
    delete table ${family} atlantic
    table ${family} atlantic {
      chain out {
        type nat hook output priority -100;
        oif ${index} meta l4proto tcp redirect to :${redirectPort};
      }
    }`,
  );
  execFileSync("nft", ["-f", "-"], { input: tables.join("\n") });
}

const tunnel = await openTunnel({
  mark: settings.mark,
  split: settings.split,
  nameOf: (fake) => settings.names[fake],
  admitRelays: async (relays) => say({ relays: relays.map(({ address, port }) => `${address} ${port}`) }),
  ...(settings.allowLan !== undefined && { allowLan: settings.allowLan }),
  ...(settings.holdMs !== undefined && { holdMs: settings.holdMs }),
});
redirect(tunnel.link);
tunnel.onTrouble((trouble) => {
  if (trouble.kind === "device back") redirect(trouble.link);
  say({
    trouble: trouble.kind,
    ...(trouble.kind === "dial failed" && { stage: trouble.stage, error: String(trouble.error) }),
    ...("detail" in trouble && { detail: trouble.detail }),
  });
});
say({ open: true, link: tunnel.link });

async function obey(order: Order): Promise<object> {
  if (order.use !== undefined) tunnel.use(order.use, { keep: order.keep ?? false });
  if (order.routes === "up") await tunnel.routesUp();
  if (order.routes === "down") await tunnel.routesDown();
  if (order.allowLan !== undefined) await tunnel.allowLan(order.allowLan);
  if (order.close) await tunnel.close();
  return {
    done: order.id,
    ...(order.counters && { counters: tunnel.counters() }),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order;
  say(await obey(order).catch((error: unknown) => ({ done: order.id, error: String(error) })));
  if (order.close) break;
}
process.exit(0);
