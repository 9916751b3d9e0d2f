import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import type { Probe } from "../probe.ts";
import { fieldOf } from "../wire/message.ts";
import type { Origin } from "../wire/origin.ts";

const http = casesOf("http", ["http"]);

function line(method: string, target: string, host: string, auth: string): string {
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${auth}\r\n`;
}

/** Absolute URLs whose path and query must arrive byte for byte. */
const paths: readonly (readonly [id: string, written: string, arrives: string])[] = [
  ["plain", "/a/b?c=d&e", "/a/b?c=d&e"],
  ["escapes", "/a%2Fb/%7Eu%41?q=%2f%2F", "/a%2Fb/%7Eu%41?q=%2f%2F"],
  ["dots-and-slashes", "//a/../b/./c//", "//a/../b/./c//"],
  ["reserved", "/;p=1,2/!$&'()*+=:@?/?", "/;p=1,2/!$&'()*+=:@?/?"],
  ["empty", "", "/"],
  ["query-only", "?a=b", "/?a=b"],
];

function forwards(must: string, id: string, written: string, arrives: string): ConformanceCase {
  return http(`target-${id}`, "MUST", "RFC 9110 §7.7", must, async (probe) => {
    const { request } = await probe.exchange((origin) => probe.get(origin, "", written));
    expectThat(
      request.target === arrives,
      `${shown(written)} arrived as ${shown(request.target)} instead of ${shown(arrives)}.`,
    );
  });
}

/** Targets that a proxy refuses; `@` stands for the origin's authority, `#` for its port. */
const refusedTargets: readonly (readonly [
  id: string,
  level: "MUST" | "SHOULD",
  section: string,
  must: string,
  target: string,
])[] = [
  ["asterisk-get", "MUST", "RFC 9112 §3.2.4", "The asterisk is a target for OPTIONS only.", "*"],
  ["authority-get", "MUST", "RFC 9112 §3.2.3", "A bare authority is a target for CONNECT only.", "@"],
  ["no-host", "MUST", "RFC 9110 §4.2.1", "An http URL without a host is refused.", "http:///a"],
  [
    "port-letters",
    "MUST",
    "RFC 3986 §3.2.3",
    "A port that is no number is refused.",
    "http://127.0.0.1:http/",
  ],
  ["port-negative", "MUST", "RFC 3986 §3.2.3", "A port with a sign is refused.", "http://127.0.0.1:-#/"],
  ["port-zero", "SHOULD", "RFC 9110 §4.2.1", "Port 0 leads nowhere and is refused.", "http://127.0.0.1:0/"],
  ["ipv6-bare", "MUST", "RFC 3986 §3.2.2", "An IPv6 address without brackets is refused.", "http://::1:#/"],
  ["ipv6-open", "MUST", "RFC 3986 §3.2.2", "A bracket that is not closed is refused.", "http://[::1:#/"],
  [
    "ipv6-garbage",
    "MUST",
    "RFC 3986 §3.2.2",
    "Brackets around what is no IPv6 address are refused.",
    "http://[::g]:#/",
  ],
  [
    "userinfo",
    "SHOULD",
    "RFC 9110 §4.2.4",
    "User information in an http URL is treated as an error.",
    "http://user:word@@/",
  ],
  ["fragment", "SHOULD", "RFC 9112 §3.2", "A fragment in the target is refused.", "http://@/a#b"],
  ["backslash", "SHOULD", "RFC 3986 §3.2.2", "A backslash does not end the host.", "http://@\\a/"],
];

function fill(target: string, origin: Origin): string {
  const [before = "", ...more] = target.split("@@");
  const filled = [before, ...more].map((part) => part.replaceAll("@", origin.authority));
  return filled.join(`@${origin.authority}`).replace(/(:-?)#/, `$1${origin.port}`);
}

export const requestTargetCases: readonly ConformanceCase[] = [
  ...paths.map(([id, written, arrives]) =>
    forwards("Path and query arrive at the origin as the client wrote them.", id, written, arrives),
  ),
  http(
    "target-options-asterisk",
    "MUST",
    "RFC 9112 §3.2.4",
    "OPTIONS for an address without path and query goes on as OPTIONS *.",
    async (probe) => {
      const { request } = await probe.exchange((origin) => probe.get(origin, "", "", "OPTIONS"));
      expectThat(request.target === "*", `It arrived as OPTIONS ${shown(request.target)}.`);
    },
  ),
  http("target-options-slash", "MUST", "RFC 9110 §7.7", "OPTIONS for / is not OPTIONS *.", async (probe) => {
    const { request } = await probe.exchange((origin) => probe.get(origin, "", "/", "OPTIONS"));
    expectThat(request.target === "/", `It arrived as OPTIONS ${shown(request.target)}.`);
  }),
  http(
    "target-scheme-case",
    "MUST",
    "RFC 9110 §4.2.3",
    "The scheme's case does not matter.",
    async (probe) => {
      const { request } = await probe.exchange((origin) => probe.get(origin).replace("http://", "HTTP://"));
      expectThat(request.target === "/", `It arrived as ${shown(request.target)}.`);
    },
  ),
  http(
    "target-ipv6",
    "MUST",
    "RFC 3986 §3.2.2",
    "An IPv6 address in brackets is dialled, and stays in brackets in Host.",
    async (probe) => {
      const origin = await probe.origin("::");
      const authority = `[::1]:${origin.port}`;
      const client = await probe.client();
      client.send(line("GET", `http://${authority}/`, authority, probe.auth));
      const request = await (await probe.reached(origin, client)).request();
      expectThat(fieldOf(request, "host") === authority, `Host is ${shown(fieldOf(request, "host") ?? "")}.`);
    },
    ["ipv6"],
  ),
  http(
    "target-origin-form",
    "SHOULD",
    "RFC 9112 §3.2.1",
    "A target in origin form is the proxy's own: it is answered, never sent to what Host says.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(line("GET", "/", origin.authority, probe.auth));
      await client.response();
      expectThat(origin.received === 0, "It was sent to the address in Host.");
    },
  ),
  http(
    "target-https",
    "MUST",
    "RFC 9110 §4.2.2",
    "What is asked for by https never goes on in the clear.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(line("GET", `https://${origin.authority}/`, origin.authority, probe.auth));
      const answered = () => client.unread.length > 0 || origin.received > 0;
      await client.becomes(answered, 1_000);
      const first = origin.wires[0]?.unread[0];
      expectThat(first === undefined || first === 0x16, "The origin got the request in the clear.");
    },
  ),
  http(
    "target-other-scheme",
    "MUST",
    "RFC 9110 §3.7",
    "A scheme that the proxy does not know is refused, not taken for http.",
    async (probe) => {
      const origin = await probe.origin();
      await probe.refused(
        line("GET", `gopher://${origin.authority}/`, origin.authority, probe.auth),
        origin,
        { orClosed: true },
      );
    },
  ),
  http(
    "target-port-overflow",
    "MUST",
    "RFC 3986 §3.2.3",
    "A port above 65535 is refused, never taken modulo 65536.",
    async (probe) => {
      const origin = await probe.origin();
      const authority = `127.0.0.1:${origin.port + 65_536}`;
      await probe.refused(line("GET", `http://${authority}/`, authority, probe.auth), origin, {
        orClosed: true,
      });
    },
  ),
  ...refusedTargets.map(([id, level, section, must, target]) =>
    http(`target-${id}`, level, section, must, async (probe: Probe) => {
      const origin = await probe.origin();
      await probe.refused(line("GET", fill(target, origin), origin.authority, probe.auth), origin, {
        orClosed: true,
      });
    }),
  ),
];
