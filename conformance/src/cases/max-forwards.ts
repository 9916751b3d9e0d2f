import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { fieldOf } from "../wire/message.ts";

const http = casesOf("http", ["http"]);
const SECTION = "RFC 9110 §7.6.2";

export const maxForwardsCases: readonly ConformanceCase[] = [
  ...["OPTIONS", "TRACE"].flatMap((method) => [
    http(
      `max-forwards-0-${method.toLowerCase()}`,
      "MUST",
      SECTION,
      `${method} with Max-Forwards: 0 is answered by the proxy and goes no further.`,
      async (probe) => {
        const origin = await probe.origin();
        const client = await probe.client();
        client.send(probe.get(origin, "Max-Forwards: 0\r\n", "/", method));
        await client.becomes(() => client.unread.length > 0 || origin.received > 0);
        expectThat(origin.received === 0, "It went on to the origin.");
        const { body, head } = await client.response();
        const secret = /proxy-authorization: *basic/i;
        expectThat(!secret.test(body.toString("latin1") + head), "The answer shows the proxy's credentials.");
      },
    ),
    http(
      `max-forwards-counts-${method.toLowerCase()}`,
      "MUST",
      SECTION,
      `${method} with Max-Forwards: 7 goes on with 6, or is refused.`,
      async (probe) => {
        const origin = await probe.origin();
        const request = probe.get(origin, "Max-Forwards: 7\r\n", "/", method);
        await probe.refusedOrClean(request, origin, (seen) => {
          const value = fieldOf(seen, "max-forwards");
          expectThat(value === "6", `It went on with ${shown(value ?? "none")}.`);
        });
      },
    ),
  ]),
];
