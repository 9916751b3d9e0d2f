import { createHash } from "node:crypto";
import { addonState } from "@atlantic/native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addresses, canMakeNamespaces } from "./testing/namespaces.ts";
import { TunnelLab } from "./testing/tunnel-lab.ts";

const canRun = canMakeNamespaces() && addonState().kind === "loaded";
const names = { "198.18.5.5": "a.10.61.2.2.test", "fd61:746c:1::5": "b.10.61.2.2.test" };
const { origin } = addresses;

let lab: TunnelLab;

beforeAll(async () => {
  if (!canRun) return;
  lab = await TunnelLab.start();
  await lab.open({ names });
  await lab.order({ use: lab.through("socks5"), routes: "up" });
});

afterAll(() => lab?.remove());

/** What the proxy was asked for since it had said so much. */
function askedSince(from: number): string[] {
  return lab.upstream.said.slice(from).flatMap(({ asked }) => (typeof asked === "string" ? [asked] : []));
}

test.skipIf(!canRun)(
  "TCP of both families goes through SOCKS5 and CONNECT, and nothing else leaves",
  async () => {
    for (const protocol of ["socks5", "connect"] as const) {
      await lab.order({ use: lab.through(protocol) });
      const from = lab.upstream.said.length;
      const hello = `hello from ${lab.ports.http}\n`;
      expect(await lab.curl(`http://${origin.v4}:${lab.ports.http}/`)).toBe(hello);
      expect(await lab.curl(`http://[${origin.v6}]:${lab.ports.http}/`)).toBe(hello);
      expect(await lab.curl("--http2-prior-knowledge", `http://${origin.v4}:${lab.ports.http2}/`)).toBe(
        "hello over HTTP/2\n",
      );
      expect(askedSince(from)).toHaveLength(3);
    }
  },
);
