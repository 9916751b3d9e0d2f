import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { fieldOf, type Message } from "../wire/message.ts";

const http = casesOf("http", ["http"]);
const CONNECTION = "RFC 9110 §7.6.1";

function absent(message: Message, ...names: string[]): void {
  for (const name of names) {
    const value = fieldOf(message, name);
    expectThat(value === undefined, `${name} went on: ${shown(value ?? "")}.`);
  }
}

function strips(
  id: string,
  must: string,
  section: string,
  fields: string,
  names: readonly string[],
  level: "MUST" | "SHOULD" = "MUST",
): ConformanceCase {
  return http(`hop-${id}`, level, section, must, async (probe) => {
    const { request } = await probe.exchange((o) => probe.get(o, `${fields}X-Kept: yes\r\n`));
    absent(request, ...names);
    expectThat(fieldOf(request, "x-kept") === "yes", "A field that should have stayed was left out.");
  });
}

export const hopByHopCases: readonly ConformanceCase[] = [
  strips(
    "named",
    "A field that Connection names goes no further.",
    CONNECTION,
    "Connection: X-Secret\r\nX-Secret: 1\r\n",
    ["x-secret"],
  ),
  strips(
    "named-before",
    "A field that Connection names goes no further, though it stands before Connection.",
    CONNECTION,
    "X-Secret: 1\r\nConnection: keep-alive, x-SECRET\r\n",
    ["x-secret"],
  ),
  strips(
    "named-two-lines",
    "Several Connection lines are one list.",
    CONNECTION,
    "Connection: X-One\r\nX-One: 1\r\nConnection: close , ,X-Two\r\nX-Two: 2\r\n",
    ["x-one", "x-two"],
  ),
  strips(
    "connection-own-words",
    "The client's Connection options go no further.",
    CONNECTION,
    "Connection: X-Secret\r\n",
    ["x-secret"],
  ),
  strips(
    "keep-alive",
    "Keep-Alive goes no further.",
    CONNECTION,
    "Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n",
    ["keep-alive"],
    "SHOULD",
  ),
  strips(
    "proxy-connection",
    "Proxy-Connection goes no further.",
    CONNECTION,
    "Proxy-Connection: keep-alive\r\n",
    ["proxy-connection"],
    "SHOULD",
  ),
  strips("te", "TE is for this hop only.", "RFC 9110 §10.1.4", "TE: gzip;q=0.5\r\nConnection: TE\r\n", [
    "te",
  ]),
  strips(
    "upgrade",
    "Upgrade goes no further unless the proxy itself can do it.",
    "RFC 9110 §7.8",
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    ["http2-settings"],
  ),
  http(
    "hop-credentials",
    "MUST",
    "RFC 9110 §11.7.2",
    "The proxy's credentials never reach the target, on no request of a kept connection.",
    async (probe) => {
      const origin = await probe.origin();
      let client = await probe.client();
      for (let count = 0; count < 3; count += 1) {
        client.send(probe.get(origin));
        const asked = () => origin.wires.find((wire) => wire.unread.length > 0);
        await client.becomes(() => asked() !== undefined);
        const target = asked();
        expectThat(target !== undefined, `The origin got nothing; the client got ${shown(client.unread)}.`);
        absent(await target.request(), "proxy-authorization");
        target.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        await client.response();
        if (await client.becomes(() => client.end !== null, 30)) client = await probe.client();
      }
    },
    ["credentials"],
  ),
  http(
    "hop-response",
    "MUST",
    CONNECTION,
    "What Connection names in a response goes no further, and Connection itself is the proxy's own.",
    async (probe) => {
      const { response } = await probe.exchange(
        (o) => probe.get(o),
        "HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok",
      );
      absent(response, "x-hop");
      const connection = fieldOf(response, "connection") ?? "";
      expectThat(!/x-hop/i.test(connection), `The client got Connection: ${connection}.`);
    },
  ),
  http(
    "hop-response-fixed",
    "SHOULD",
    CONNECTION,
    "Keep-Alive and Proxy-Connection of a response go no further.",
    async (probe) => {
      const { response } = await probe.exchange(
        (o) => probe.get(o),
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=99, max=77\r\nProxy-Connection: x-a\r\nContent-Length: 2\r\n\r\nok",
      );
      expectThat(
        !(fieldOf(response, "keep-alive") ?? "").includes("77"),
        "Keep-Alive of the origin went on.",
      );
      expectThat(!(fieldOf(response, "proxy-connection") ?? "").includes("x-a"), "Proxy-Connection went on.");
    },
  ),
];
