import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NameFilter } from "../dns/filter/name-filter.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Firewall, FirewallTrouble } from "../firewall/firewall.ts";
import { FirewallError } from "../firewall/firewall-error.ts";
import type { Tunnel, TunnelOptions, TunnelTrouble } from "../tunnel/tunnel.ts";
import { BreachLog } from "../validator/breach-log.ts";
import { MachineProtection } from "./machine-protection.ts";
import { protectionConfigSchema } from "./protection-config.ts";
import { WantedFile } from "./wanted-file.ts";

const link = {
  name: "atlantic-tun0",
  index: 7,
  address4: "198.18.0.1",
  address6: "fd61:746c::1",
  dns4: "198.18.0.2",
  dns6: "fd61:746c::2",
  redirectPort: 4_000,
};

let directory: string;
let protection: MachineProtection;
let steps: string[];
let rules: { refuse: boolean; escapes: boolean };
let restarted: number;
let firewallTrouble: (trouble: FirewallTrouble) => void;
let tunnelTrouble: (trouble: TunnelTrouble) => void;
let admitRelays: TunnelOptions["admitRelays"];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "atl-machine-"));
  steps = [];
  rules = { refuse: false, escapes: false };
  restarted = 0;
  protection = build();
  await protection.start();
  steps.length = 0;
});
afterEach(async () => {
  await protection.close();
  rmSync(directory, { recursive: true, force: true });
});

function build(): MachineProtection {
  const step = (name: string) => async () => {
    steps.push(name);
  };
  const firewall: Firewall = {
    holding: "owned",
    apply: async ({ kind }) => {
      if (rules.refuse) throw new FirewallError("the kernel refuses");
      steps.push(`rules ${kind}`);
    },
    replaceUpstreams: async (endpoints) =>
      void steps.push(`swap ${endpoints.map(({ protocol, port }) => `${protocol} ${port}`).join()}`),
    open: step("rules open"),
    inspect: async () => ({ generation: 1, digest: "00", intact: true, blocking: true }),
    onTrouble: (listener) => {
      firewallTrouble = listener;
      return () => {};
    },
    close: async () => {},
  };
  const tunnel: Tunnel = {
    link,
    routesUp: step("routes up"),
    routesDown: step("routes down"),
    allowLan: async () => {},
    use: (upstream) => void steps.push(upstream ? `carry ${upstream.name}` : "hold"),
    counters: () => ({ openFlows: 0, heldFlows: 0, sentDatagrams: 0, receivedDatagrams: 0 }),
    onTrouble: (listener) => {
      tunnelTrouble = listener;
      return () => {};
    },
    close: step("device gone"),
  };
  const resolver: Resolver = {
    addresses: [],
    nameOf: () => undefined,
    why: (name) => new NameFilter().why(name),
    counters: () => noQueries,
    forget: () => {},
    close: async () => {},
  };
  return new MachineProtection({
    config: protectionConfigSchema.parse({
      upstreams: [{ name: "a", kind: "socks5", host: "203.0.113.1", port: 1 }],
      validator: { everySeconds: 3_600, name: null },
    }),
    mark: 1,
    addressCheckUrl: null,
    firewall,
    openTunnel: async (options) => {
      admitRelays = options.admitRelays;
      steps.push("device");
      return tunnel;
    },
    startResolver: async () => resolver,
    filter: new NameFilter(),
    blockedAnswer: () => "nxdomain",
    upstreams: {
      names: ["a"],
      endpoints: () => [{ address: "203.0.113.1", protocol: "tcp", port: 1 }],
      reach: async () => {},
      get: (name) => ({
        name,
        protocol: "socks5",
        tls: false,
        host: "a",
        addresses: [],
        port: 1,
        udp: false,
      }),
      dial: () => Promise.reject(new Error("nothing is dialled here")),
    },
    bootstrap: [],
    wanted: new WantedFile(directory),
    breaches: new BreachLog(join(directory, "breaches.json")),
    log: pino({ level: "silent" }),
    send: async (on, canaries) =>
      canaries.map(() => ({ escaped: on === "lo" || rules.escapes, refusal: null })),
    changed: () => {},
    restart: () => {
      restarted += 1;
    },
  });
}

const noQueries: ReturnType<Resolver["counters"]> = {
  queries: 0,
  blocked: 0,
  cached: 0,
  asked: 0,
  failed: 0,
  stale: 0,
  malformed: 0,
  dropped: 0,
  blockedBy: {},
};

test("rules before routes before flows, and the reverse on the way down", async () => {
  await protection.connect();
  expect(steps).toEqual(["rules connecting", "device", "rules connected", "routes up", "carry a"]);
  steps.length = 0;
  await protection.disconnect();
  expect(steps).toEqual(["hold", "routes down", "device gone", "rules open"]);
  expect(protection.view()).toMatchObject({ state: "open", holding: null, verdict: null });
});

test("rules that cannot be put up are told, in the answer and in the view", async () => {
  rules.refuse = true;
  await expect(protection.connect()).rejects.toThrow("the kernel refuses");
  expect(protection.view()).toMatchObject({ state: "error", blockingFailed: true });
  expect(steps).not.toContain("carry a");
});

test("a canary that gets out blocks before anything else, keeps the evidence, and is shown", async () => {
  await protection.connect();
  steps.length = 0;
  rules.escapes = true;
  await protection.validate();
  await expect.poll(() => protection.view().state, { timeout: 10_000 }).toBe("error");
  expect(steps[0]).toBe("rules blocked");
  expect(protection.view().problem).toContain("left the machine");
  expect(protection.breaches()[0]).toMatchObject({ source: "validator", state: "connected" });
  rules.escapes = false;
  await expect.poll(() => protection.view().state, { timeout: 20_000 }).toBe("connected");
});

test("no upstream is used before canaries are refused", async () => {
  rules.escapes = true;
  await expect(protection.connect()).rejects.toThrow("left the machine");
  expect(steps).not.toContain("device");
  expect(protection.view().verdict?.kept).toBe(false);
});

test("what others did to the rules is kept with how long it was open", async () => {
  await protection.connect();
  firewallTrouble({ kind: "changed", message: "Somebody changed the rules.", openMs: 12 });
  expect(protection.breaches()[0]).toMatchObject({ source: "firewall", openMs: 12 });
  firewallTrouble({ kind: "failed", message: "They cannot be put back.", openMs: null });
  await expect.poll(() => steps.includes("rules blocked"), { timeout: 10_000 }).toBe(true);
});

test("a tunnel past mending blocks, and the process ends to begin anew", async () => {
  await protection.connect();
  steps.length = 0;
  tunnelTrouble({ kind: "engine lost" });
  await expect.poll(() => restarted, { timeout: 10_000 }).toBe(1);
  expect(steps).toEqual(["rules blocked"]);
});

test("where an upstream takes datagrams is let through for as long as it does", async () => {
  await protection.connect();
  steps.length = 0;
  await admitRelays?.([{ address: "203.0.113.1", protocol: "udp", port: 9 }]);
  await admitRelays?.([]);
  expect(steps).toEqual(["swap tcp 1,udp 9", "swap tcp 1"]);
});
