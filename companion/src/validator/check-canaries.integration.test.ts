import { fileURLToPath } from "node:url";
import { addonState } from "@atlantic/native";
import type { ProtectionFinding } from "@atlantic/shared/control/protection.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addresses, canMakeNamespaces, Namespaces } from "../tunnel/testing/namespaces.ts";

const canRun = canMakeNamespaces() && addonState().kind === "loaded";
const checker = fileURLToPath(new URL("./check-canaries.ts", import.meta.url));

let namespaces: Namespaces;
beforeAll(() => {
  if (canRun) namespaces = new Namespaces();
});
afterAll(() => namespaces?.remove());

async function rules(text: string): Promise<void> {
  const { code, stderr } = await namespaces.run("client", ["nft", "-f", "-"], { input: text });
  if (code !== 0) throw new Error(stderr);
}

async function look(): Promise<ProtectionFinding[]> {
  const targets = JSON.stringify(["192.0.2.1", "2001:db8::1"]);
  const text = `const { checkCanaries } = await import(${JSON.stringify(checker)});
    console.log(JSON.stringify(await checkCanaries(${targets}, null)));`;
  const argv = [process.execPath, "--input-type=module", "-e", text];
  const { stdout, stderr } = await namespaces.run("client", argv);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

const onLink = (findings: readonly ProtectionFinding[]) =>
  findings.find(({ check }) => check === "canaries-eth0");

test.skipIf(!canRun)("canaries that no rule refuses are noticed, each by its name", async () => {
  // The gateway's hardware must be known, or a packet waits for it and never leaves.
  for (const gateway of [addresses.upstream.v4, addresses.upstream.v6]) {
    const neighbour = `neigh replace ${gateway} lladdr 02:00:00:00:00:02 dev eth0 nud permanent`;
    expect(await namespaces.run("client", ["ip", ...neighbour.split(" ")])).toMatchObject({ code: 0 });
  }
  const findings = await look();
  expect(findings.find(({ check }) => check === "canary-control")?.good).toBe(true);
  const { good, detail } = onLink(findings) ?? {};
  expect(good).toBe(false);
  for (const [kind, port] of [
    ["udp", 53],
    ["udp", 443],
    ["tcp", 443],
    ["tcp", 853],
    ["raw", 53],
  ]) {
    expect(detail).toContain(`${kind} to 192.0.2.1:${port}`);
    expect(detail).toContain(`${kind} to [2001:db8::1]:${port}`);
  }

  // Rules of the machine's IP layer do not stop a raw frame.
  await rules(
    "table inet t { chain o { type filter hook output priority 0; policy drop; oif lo accept; }; }",
  );
  const raw = onLink(await look());
  expect(raw).toMatchObject({ good: false });
  expect(raw?.detail).not.toContain("udp to");
  expect(raw?.detail).toContain("raw to 192.0.2.1:53");

  await rules("table netdev t { chain o { type filter hook egress device eth0 priority 0; policy drop; }; }");
  expect(onLink(await look())).toMatchObject({ good: true });
});
