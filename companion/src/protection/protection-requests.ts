import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { ControlFailure } from "../control/control-failure.ts";
import type { RequestHandlers } from "../control/link.ts";
import { askPolkit } from "../service/ask-polkit.ts";
import type { Protection } from "./protection.ts";

type ProtectionHandlers = Pick<
  RequestHandlers,
  Extract<keyof RequestHandlers, `protection.${string}` | `tier.${string}`>
>;

const WITHOUT_PRIVILEGE =
  "This companion runs without privilege, so it protects browsers and not the whole machine: sudo npx atlantic install. Without privilege: npx atlantic connect --system-proxy.";
const NOTHING_TO_OPEN =
  "Nothing to do: this companion runs without privilege, so the whole machine is neither connected nor locked. Desktop settings: npx atlantic disconnect --system-proxy.";

/** What the companion does with requests about the whole machine; `null`: it runs without privilege. */
export function protectionRequests(protection: Protection | null): ProtectionHandlers {
  const there = (): Protection => {
    if (protection) return protection;
    throw new ControlFailure("unavailable", WITHOUT_PRIVILEGE);
  };
  const after = async (change: (protection: Protection) => Promise<void>): Promise<ProtectionView> => {
    const it = there();
    await change(it);
    return it.view();
  };
  return {
    "tier.raise": async (link, { to }) => {
      if (!protection) throw new ControlFailure("unavailable", NOTHING_TO_OPEN);
      // A browser never has the tier that this request needs; whatever came through the relay is one.
      if (link.isRelayed || link.browser) throw new ControlFailure("not_allowed", "A browser opens nothing.");
      await askPolkit(link.credentials);
      link.tier = to;
      return { tier: to };
    },
    "protection.connect": () => after((it) => it.connect()),
    "protection.disconnect": () => after((it) => it.disconnect()),
    "protection.lockdown": () => after((it) => it.setLockdown(true)),
    "protection.unlock": () => after((it) => it.setLockdown(false)),
    "protection.allowLan": (_, { allowed }) => after((it) => it.setAllowLan(allowed)),
    "protection.leaks": () => [...there().breaches()],
    "protection.validate": () => after((it) => it.validate()),
  };
}
