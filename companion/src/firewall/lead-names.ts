import { family, familyOf, mark, out, port, protocol, rule } from "./build-rule.ts";
import { LED_PORT, MARK, type TunnelLink } from "./policy.ts";
import { type Chain, LOOPBACK_INDEX } from "./rule-set.ts";

/**
 * Leads the machine's questions for names to our resolver, whichever server its programs were set up to ask: the rules
 * refuse every other one. Nothing of the system's own settings is changed, so nothing has to be put back.
 */
export function leadNames({ dns4, dns6 }: TunnelLink): Chain {
  return {
    name: "lead_names",
    base: { type: "nat", hook: "output", priority: -110, policy: "accept" },
    rules: [
      rule("our own", [mark(MARK)], { to: "return" }),
      rule("to this machine", [out(LOOPBACK_INDEX)], { to: "return" }),
      ...[dns4, dns6].flatMap((address) =>
        (["udp", "tcp"] as const).map((each) =>
          rule(
            `names, ${each}, IPv${familyOf(address)}`,
            [family(familyOf(address)), protocol(each), port("destination", 53)],
            { to: "lead", family: familyOf(address), address, port: LED_PORT },
          ),
        ),
      ),
    ],
  };
}
