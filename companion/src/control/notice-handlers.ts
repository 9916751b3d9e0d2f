import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import type { Tickets } from "../pairing/tickets.ts";
import type { NoticeHandlers } from "./link.ts";

export function noticeHandlers(registry: BrowserRegistry, tickets: Tickets): NoticeHandlers {
  return {
    "relay.open": (link, { ticket }) => {
      // Only the first word of a link can say so: later it would be the extension speaking.
      if (link.tier !== "none" || link.isRelayed) return;
      link.isRelayed = true;
      link.ticket = ticket !== undefined && tickets.isGood(ticket) ? ticket : null;
    },
    "request.started": ({ browser }, request) => {
      browser?.pending.started(request, performance.now());
      registry.changed();
    },
    "request.settled": ({ browser }, { requestId }) => browser?.pending.settled(requestId),
  };
}
