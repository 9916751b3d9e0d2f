import { describe, expect, it } from "vitest";
import { ANSWER_MARK, CONTAINER_MARK } from "./policy.ts";
import { printNft } from "./print-nft.ts";
import { printPf } from "./print-pf.ts";
import { printWfp } from "./print-wfp.ts";
import { rulesOf } from "./rules-of.ts";
import { impostor, matrix, physical, policies, policyNames, routes } from "./simulation/matrix.ts";
import { mayLeave } from "./simulation/may-leave.ts";
import type { Packet } from "./simulation/packet.ts";
import { simulatePf } from "./simulation/simulate-pf.ts";
import { simulateRules } from "./simulation/simulate-rules.ts";
import { simulateWfp } from "./simulation/simulate-wfp.ts";
import { tunnel } from "./testing/sample-policies.ts";

const links = new Map([
  [physical.index, "en0"],
  [impostor.index, "en7"],
  [tunnel.index, "utun7"],
]);
const user = "_atlantic";
const program = "C:\\Program Files\\Atlantic\\atlanticd.exe";

/** What these systems filter: what is sent and taken. Frames that programs write themselves they do not see. */
const seen = matrix.filter(({ path }) => path === "output" || path === "input");
const names = policyNames.filter((name) => !name.includes("some"));

/** Each system: whether it lets a packet pass. */
const systems = {
  pf: (name: (typeof names)[number]) => {
    const text = printPf(rulesOf(policies[name]), { user, links });
    return (packet: Packet) => simulatePf(text, packet, links, user) === "pass";
  },
  "Windows filtering": (name: (typeof names)[number]) => {
    const policy = printWfp(rulesOf(policies[name]), program);
    return (packet: Packet) => simulateWfp(policy, packet, program) === "FWP_ACTION_PERMIT";
  },
};

describe.each(Object.entries(systems))("the rules for %s", (_, compile) => {
  it.each(names)("let nothing out that the policy does not allow: %s", (name) => {
    const passes = compile(name);
    const leaked = seen
      .filter(({ path, out }) => path === "output" && !out.loopback && out.index !== tunnel.index)
      .filter(
        (packet) => passes(packet) && !mayLeave(policies[name], unlimited(packet), packet.mark, packet.out),
      );
    expect(leaked).toEqual([]);
  });

  it.each(names)("decide as those for Linux do, but for what is said here: %s", (name) => {
    const rules = rulesOf(policies[name]);
    const passes = compile(name);
    const different = seen
      .filter((packet) => !isKnownToDiffer(packet))
      .filter(
        (packet) => passes(packet) !== (simulateRules(rules, unlimited(packet), routes).verdict === "accept"),
      );
    expect(different).toEqual([]);
  });

  it.each(names)("let something pass, and not all: %s", (name) => {
    expect(seen.some(compile(name))).toBe(true);
    expect(seen.every(compile(name))).toBe(false);
  });

  it("refuse a split tunnel in words", () => {
    expect(() => compile("all but some" as "boot")).toThrow(/split tunnel cannot be kept on this system/);
  });
});

describe("printed", () => {
  it("as text for nft", async () => {
    const link = { name: "eth0", internal: false };
    const text = printNft(rulesOf(policies["connected, local network allowed"]), [link]);
    await expect(text).toMatchFileSnapshot("./golden/connected.nft");
  });

  it("as an anchor of pf", async () => {
    const text = printPf(rulesOf(policies["connected, local network allowed"]), { user, links });
    await expect(text).toMatchFileSnapshot("./golden/connected.pf");
  });

  it("as objects of the Windows filtering platform", async () => {
    const policy = printWfp(rulesOf(policies["connected, local network allowed"]), program);
    const text = policy.filters.map((filter) => `${JSON.stringify(filter)}\n`).join("");
    await expect(text).toMatchFileSnapshot("./golden/connected.wfp.jsonl");
  });

  it("with keys that no two filters share", () => {
    for (const name of names) {
      const { filters } = printWfp(rulesOf(policies[name]), program);
      expect(new Set(filters.map(({ filterKey }) => filterKey)).size).toBe(filters.length);
    }
  });
});

/** Neither of them limits size or rate. */
function unlimited(packet: Packet): Packet {
  return { ...packet, bytes: Math.min(packet.bytes, 60), flood: false };
}

/**
 * They know a flow by states of their own, answer no containers and lead no questions for names; and TCP is not redirected there, so what is sent
 * into the device from another address than its own is from before.
 */
function isKnownToDiffer(sent: Packet): boolean {
  const { path, flow, flowMark, into, out, protocol, source, reply } = sent;
  const byState = path === "input" && (flow !== "new" || reply);
  const internal = path === "input" && into.kind !== undefined;
  const redirected = path === "output" && out.index === tunnel.index && protocol === "tcp";
  const strange = redirected && source !== tunnel.address4 && source !== tunnel.address6;
  const led = path === "output" && out.index === tunnel.index && sent.destinationPort === 53;
  return byState || internal || strange || led || flowMark === ANSWER_MARK || flowMark === CONTAINER_MARK;
}
