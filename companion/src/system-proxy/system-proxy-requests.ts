import { ClearError } from "../clear-error.ts";
import { ControlFailure } from "../control/control-failure.ts";
import type { RequestHandlers } from "../control/link.ts";
import type { AddressCheck } from "../sessions/address-check.ts";
import type { SystemProxy } from "./system-proxy.ts";

type SystemProxyHandlers = Pick<RequestHandlers, Extract<keyof RequestHandlers, `systemProxy.${string}`>>;

/** What the companion does with requests about the desktop's proxy settings. */
export function systemProxyRequests(proxy: SystemProxy, addresses: AddressCheck): SystemProxyHandlers {
  return {
    "systemProxy.connect": async (_, wish) => {
      await clearly(() => proxy.connect(wish));
      const view = proxy.view();
      if (!view)
        throw new ControlFailure("unavailable", "It was disconnected at the same moment. Try again.");
      // So that the first status after this has the address.
      await addresses.run(view.routeId, { kind: "exit", exit: view.exit });
      return view;
    },
    "systemProxy.disconnect": () => clearly(() => proxy.disconnect()),
  };
}

/** What the service of the whole machine does with them: it belongs to nobody's desktop, and asks nobody who it serves. */
export const noDesktop: SystemProxyHandlers = {
  "systemProxy.connect": async () => {
    throw new ControlFailure("unavailable", NO_DESKTOP);
  },
  "systemProxy.disconnect": async () => null,
};

const NO_DESKTOP =
  "This is the service, which carries the whole machine: atlantic connect. For the desktop's settings alone, run the companion as yourself (npm start) and say this again.";

/** What is a sentence for people stays one on the way to them. */
async function clearly<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ClearError) throw new ControlFailure("unavailable", error.message);
    throw error;
  }
}
