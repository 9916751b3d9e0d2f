import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import type { RuleSet } from "@atlantic/companion/src/firewall/rule-set.ts";
import { rulesOf } from "@atlantic/companion/src/firewall/rules-of.ts";
import { ControlGroup } from "../net/control-group.ts";
import { chosenTraffic } from "./chosen.ts";
import { buildMachine, type Machine } from "./machine.ts";
import { shapes } from "./matrix.ts";
import { type Observation, observe } from "./observe.ts";
import { PhaseLinks } from "./phase-links.ts";
import type { NamedPolicy } from "./policies.ts";
import { type Probers, startProbers } from "./probers.ts";
import { type RuledFirewall, ruledFirewall } from "./ruled-firewall.ts";
import { nextTag } from "./sending.ts";
import type { StageName } from "./stages.ts";
import { makeDevice, type TunnelDevice } from "./tunnel-device.ts";

/** A machine whose rules can be any, and what is observed of it. */
export class MutationPlace {
  readonly #machine: Machine;
  readonly #group: ControlGroup | null;
  readonly #probers: Probers;
  readonly #device: TunnelDevice;
  readonly #firewall: RuledFirewall;

  private constructor(
    machine: Machine,
    group: ControlGroup | null,
    probers: Probers,
    device: TunnelDevice,
    firewall: RuledFirewall,
  ) {
    this.#machine = machine;
    this.#group = group;
    this.#probers = probers;
    this.#device = device;
    this.#firewall = firewall;
  }

  static async build(): Promise<MutationPlace> {
    const machine = await buildMachine();
    const group = ControlGroup.make(machine.namespace("machine"));
    try {
      const probers = await startProbers(machine, true, group);
      const device = await makeDevice(machine, probers.daemon);
      return new MutationPlace(machine, group, probers, device, await ruledFirewall(machine));
    } catch (error) {
      group?.remove();
      await machine.close();
      throw error;
    }
  }

  /** Whether control groups can be tried here. */
  get hasGroup(): boolean {
    return this.#group !== null;
  }

  policy(named: NamedPolicy): Policy {
    return named.policy(this.#device.link, chosenTraffic(this.#group?.path ?? null));
  }

  /** Observes one part under the rules of a policy, or what `change` makes of them. */
  async observe(
    policy: Policy,
    stage: StageName,
    change: (rules: RuleSet) => RuleSet = (rules) => rules,
  ): Promise<Observation> {
    const rules = change(rulesOf(policy));
    const machine = this.#machine;
    const place = {
      machine,
      probers: this.#probers,
      device: this.#device,
      group: this.#group,
      unwatched: this.#firewall.unwatched,
      shapes,
      nextTag,
      links: new PhaseLinks(machine),
      open: async () => {
        await this.#firewall.open();
        await machine.resetSettings();
      },
      apply: () => this.#firewall.apply(rules),
    };
    return await observe(place, policy, stage);
  }

  async close(): Promise<void> {
    await this.#firewall.close();
    this.#group?.remove();
    await this.#machine.close();
  }
}
