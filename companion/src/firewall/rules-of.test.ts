import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ANSWER_MARK,
  CONTAINER_MARK,
  DIRECT_MARK,
  LED_PORT,
  MARK,
  type Policy,
  TUNNEL_MARK,
} from "./policy.ts";
import type { Chain, Rule, RuleSet } from "./rule-set.ts";
import { rulesOf } from "./rules-of.ts";
import {
  bridge,
  impostor,
  loopback,
  matrix,
  physical,
  policies,
  policyNames,
  routes,
  upstreams,
  veth,
} from "./simulation/matrix.ts";
import { mayLeave } from "./simulation/may-leave.ts";
import { type Packet, packet, type SimulatedLink } from "./simulation/packet.ts";
import { type Outcome, simulateRules } from "./simulation/simulate-rules.ts";
import { tunnel } from "./testing/sample-policies.ts";

/** Leaves the machine by a link that is neither the tunnel nor loopback, and should not. */
function leaks(policy: Policy, sent: Packet, { leaves, mark }: Outcome): boolean {
  if (leaves === null || leaves.loopback || leaves.index === tunnel.index) return false;
  return !mayLeave(policy, sent, mark, leaves) && !isAnswer(policy, sent, leaves);
}

/** What somebody asked for, of the tunnel or of this machine, goes back to where he is. */
function isAnswer(policy: Policy, sent: Packet, out: SimulatedLink): boolean {
  const { path, into, flow, flowMark, reply } = sent;
  const internal = out.kind === "bridge" || out.kind === "veth";
  if (path === "output" && flow === "related" && reply && flowMark === CONTAINER_MARK) return internal;
  if (policy.kind !== "connected" || flow === "new") return false;
  const besideTunnel = policy.split !== null && flowMark === DIRECT_MARK;
  if (path === "forward") return into.index === tunnel.index || besideTunnel;
  return reply && flowMark === ANSWER_MARK && internal;
}

describe("what the rules let out", () => {
  it.each(policyNames)("is what the policy allows, for each probe of the matrix: %s", (name) => {
    const rules = rulesOf(policies[name]);
    const leaked = matrix.filter((sent) => leaks(policies[name], sent, simulateRules(rules, sent, routes)));
    expect(leaked).toEqual([]);
  });

  it("is what the policy allows, for any packet and any policy", () => {
    const compiled = new Map(policyNames.map((name) => [name, rulesOf(policies[name])]));
    fc.assert(
      fc.property(anyPacket, fc.constantFrom(...policyNames), (sent, name) => {
        const outcome = simulateRules(compiled.get(name) ?? rulesOf(policies[name]), sent, routes);
        expect(leaks(policies[name], sent, outcome)).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });

  it("reaches every upstream with the mark, and none without, in every state", () => {
    for (const name of policyNames.filter((each) => each !== "boot" && each !== "only some")) {
      const rules = rulesOf(policies[name]);
      for (const { address, protocol, port } of upstreams) {
        const to = { destination: address, protocol, destinationPort: port };
        expect(simulateRules(rules, packet({ ...to, mark: MARK }), routes).leaves, name).toEqual(physical);
        expect(simulateRules(rules, packet(to), routes).leaves, name).toBeNull();
        expect(
          simulateRules(rules, packet({ ...to, mark: MARK, destinationPort: port + 1 }), routes).leaves,
        ).toBeNull();
      }
    }
  });

  it("is refused at once and not in silence", () => {
    const rules = rulesOf(policies.connected);
    expect(simulateRules(rules, packet({ protocol: "tcp" }), routes).verdict).toBe("reset");
    expect(simulateRules(rules, packet({ protocol: "udp" }), routes).verdict).toBe("refuse");
  });

  it("resets TCP that was opened before the tunnel, in the device and beside it", () => {
    const rules = rulesOf(policies.connected);
    const before = { flow: "established", protocol: "tcp" } as const;
    expect(simulateRules(rules, packet(before), routes).verdict).toBe("reset");
    expect(simulateRules(rules, packet({ ...before, out: { index: tunnel.index } }), routes).verdict).toBe(
      "reset",
    );
  });

  it("redirects TCP that would leave by the device, but no question for a name", () => {
    const rules = rulesOf(policies.connected);
    const source = tunnel.address4;
    const into = (destinationPort: number) =>
      simulateRules(rules, packet({ out: { index: tunnel.index }, source, destinationPort }), routes);
    expect(into(443)).toMatchObject({ verdict: "accept", redirected: tunnel.redirectPort, leaves: loopback });
    expect(into(53)).toMatchObject({
      verdict: "accept",
      redirected: null,
      led: `${tunnel.dns4} ${LED_PORT}`,
    });
    expect(into(853)).toMatchObject({ verdict: "reset", redirected: null });
  });

  it("relays for containers, and not for the neighbours on the network", () => {
    const rules = rulesOf(policies.connected);
    const from = (into: typeof physical) =>
      simulateRules(rules, packet({ path: "forward", into, out: { index: tunnel.index } }), routes);
    expect(from(bridge)).toMatchObject({ verdict: "accept", redirected: tunnel.redirectPort });
    expect(from(veth)).toMatchObject({ verdict: "accept", redirected: tunnel.redirectPort });
    expect(from(physical)).toMatchObject({ verdict: "reset", redirected: null });
  });

  it("leads questions for names to the resolver, whoever is asked, and refuses them where they do not get there", () => {
    const rules = rulesOf(policies.connected);
    const asked = (more: Partial<Packet>) =>
      simulateRules(rules, packet({ destinationPort: 53, protocol: "udp", ...more }), routes);
    const out = { index: tunnel.index };
    expect(asked({ out, source: tunnel.address4 })).toMatchObject({
      verdict: "accept",
      led: `${tunnel.dns4} ${LED_PORT}`,
    });
    expect(asked({})).toMatchObject({ verdict: "refuse", leaves: null });
    expect(asked({ mark: MARK }).led).toBeNull();
    expect(asked({ out: loopback }).led).toBeNull();
  });

  it.each(["blocked", "connected"] as const)("tells containers that they are refused: %s", (name) => {
    const rules = rulesOf(policies[name]);
    const refused = (more: Partial<Packet>) =>
      simulateRules(
        rules,
        packet({ path: "forward", into: bridge, destination: "172.32.0.9", ...more }),
        routes,
      );
    expect(refused({})).toMatchObject({ verdict: "reset", flowMark: CONTAINER_MARK });
    // The kernel's answer would go to whomever the container names.
    expect(refused({ spoofed: true })).toMatchObject({ verdict: "reset", flowMark: 0 });
    expect(refused({ into: physical })).toMatchObject({ verdict: "reset", flowMark: 0 });
    const answer = (more: Partial<Packet>) =>
      simulateRules(
        rules,
        packet({ out: bridge, flow: "related", reply: true, flowMark: CONTAINER_MARK, ...more }),
        routes,
      ).verdict;
    expect(answer({})).toBe("accept");
    expect(answer({ flow: "established" })).toBe("reset");
    expect(answer({ reply: false })).toBe("reset");
    expect(answer({ flowMark: 0 })).toBe("reset");
  });
});

describe("with only a control group through the tunnel", () => {
  const mark = (of: Partial<Packet>, cgroups = ["app.slice/chosen"]) => {
    const split = { mode: "only", cgroups, uids: [], destinations: [] } as const;
    return simulateRules(rulesOf({ ...policies["only some"], split }), packet(of), routes).mark;
  };

  it("whatever may be that group goes there: one that nobody knows yet, in the same group", () => {
    expect(mark({ controlGroup: "app.slice/chosen" })).toBe(TUNNEL_MARK);
    for (const controlGroup of ["app.slice/chosen", "app.slice/new", "app.slice", "chosen"])
      expect(mark({ controlGroup, newGroup: true }), controlGroup).toBe(TUNNEL_MARK);
  });

  it("what is known, or is new elsewhere, does not", () => {
    for (const controlGroup of ["app.slice", "app.slice/other", "user.slice/chosen", null])
      expect(mark({ controlGroup }), `${controlGroup}`).toBe(0);
    for (const controlGroup of ["app.slice/other/new", "user.slice/new"])
      expect(mark({ controlGroup, newGroup: true }), controlGroup).toBe(0);
  });

  it("several may be in one another, and beside one another", () => {
    const cgroups = ["app.slice/one", "app.slice/two", "app.slice/one/inner/most", "top"];
    for (const controlGroup of [...cgroups, "app.slice/one/other", "top/below"])
      expect(mark({ controlGroup }, cgroups), controlGroup).toBe(TUNNEL_MARK);
    for (const controlGroup of ["app.slice/three", "app.slice", "other"])
      expect(mark({ controlGroup }, cgroups), controlGroup).toBe(0);
  });
});

describe("each rule", () => {
  it.each(policyNames.filter((name) => name !== "boot"))(
    "is needed: without it some probe of the matrix fares otherwise, %s",
    (name) => {
      const whole = rulesOf(policies[name]);
      const before = new Map(matrix.map((sent) => [sent, fate(whole, sent)]));
      const useless = withoutEach(whole)
        .filter(({ rules }) => matrix.every((sent) => fate(rules, sent) === before.get(sent)))
        .map(({ gone }) => gone);
      expect(useless).toEqual([]);
    },
  );

  it("is the same at boot as when blocked: only upstreams are not there yet", () => {
    expect(rulesOf(policies.boot).inet.chains).toEqual(rulesOf(policies.blocked).inet.chains);
    expect(rulesOf(policies.boot).egress.chains).toEqual(rulesOf(policies.blocked).egress.chains);
  });

  it("tells what it is there for, in words that are unique in its chain and fit a comment", () => {
    for (const name of policyNames) {
      const { inet, egress } = rulesOf(policies[name]);
      for (const { rules } of [...inet.chains, ...egress.chains]) {
        expect(new Set(rules.map(({ why }) => why)).size).toBe(rules.length);
        for (const { why } of rules) expect(Buffer.byteLength(why)).toBeLessThanOrEqual(100);
      }
    }
  });
});

describe("the rules", () => {
  it("are the same for the same policy", () => {
    for (const name of policyNames) expect(rulesOf(policies[name])).toEqual(rulesOf(policies[name]));
  });

  it("that the holder has within it, for the time before anybody speaks to it, are those of a blocking policy", () => {
    const file = new URL("../../../native/fw/src/blocked.json", import.meta.url);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(rulesOf(policies.boot));
  });

  it("keep networks apart, whatever was chosen", () => {
    const destinations = ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/8", "::/0", "2001:db8::/32"];
    const { inet } = rulesOf({
      ...policies["all but some"],
      split: { mode: "all-but", cgroups: [], uids: [], destinations },
    });
    const elements = inet.sets
      .filter(({ name }) => name.startsWith("split"))
      .map((set) => set.holds === "networks" && set.elements);
    expect(elements).toEqual([["10.0.0.0/8", "11.0.0.0/8"], ["::/0"]]);
  });
});

/** Everything about a packet's fate that anybody could notice. */
function fate(rules: RuleSet, sent: Packet): string {
  return JSON.stringify(simulateRules(rules, sent, routes));
}

/** The rule set without each of its rules in turn. */
function withoutEach(whole: RuleSet): { readonly gone: string; readonly rules: RuleSet }[] {
  const { inet, egress } = whole;
  return [
    ...without(inet.chains).map(({ gone, chains }) => ({
      gone,
      rules: { ...whole, inet: { ...inet, chains } },
    })),
    ...without(egress.chains).map(({ gone, chains }) => ({
      gone: `leaving: ${gone}`,
      rules: { ...whole, egress: { ...egress, chains } },
    })),
    ...egress.internal.map((rule) => ({
      gone: `internal: ${rule.why}`,
      rules: { ...whole, egress: { ...egress, internal: egress.internal.filter((each) => each !== rule) } },
    })),
  ];
}

function without(chains: readonly Chain[]): { readonly gone: string; readonly chains: Chain[] }[] {
  const except = (rule: Rule) =>
    chains.map((chain) => ({ ...chain, rules: chain.rules.filter((each) => each !== rule) }));
  return chains.flatMap(({ name, rules }) =>
    rules.map((rule) => ({ gone: `${name}: ${rule.why}`, chains: except(rule) })),
  );
}

const anyPacket: fc.Arbitrary<Packet> = fc
  .record({
    base: fc.constantFrom(...matrix),
    other: fc.constantFrom(...matrix),
    port: fc.constantFrom(0, 22, 53, 67, 68, 443, 546, 547, 853, 7777, 7778, 18080),
    bytes: fc.constantFrom(28, 60, 88, 600, 1400),
    out: fc.constantFrom(physical, impostor, bridge, veth),
    take: fc.subarray([
      "protocol",
      "mark",
      "flow",
      "flowMark",
      "reply",
      "user",
      "controlGroup",
      "newGroup",
      "icmpType",
      "flood",
    ] as const),
  })
  .map(({ base, other, port, bytes, out, take }) => {
    const mixed = { ...base, ...Object.fromEntries(take.map((key) => [key, other[key]])) };
    // The first packet of a flow is no reply.
    return { ...mixed, reply: mixed.reply && mixed.flow !== "new", destinationPort: port, bytes, out };
  });
