import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { fieldOf } from "../wire/message.ts";

const http = casesOf("http", ["http"]);
const HOST = "RFC 9112 §3.2";

const refusedHosts: readonly (readonly [id: string, must: string, fields: string])[] = [
  ["missing", "HTTP/1.1 without Host is answered 400.", ""],
  ["twice", "Two Host fields that differ are answered 400.", "Host: @\r\nHost: other.example\r\n"],
  ["twice-alike", "Two Host fields that are alike are answered 400.", "Host: @\r\nHost: @\r\n"],
  ["space", "A Host with a space in it is answered 400.", "Host: a b\r\n"],
  ["path", "A Host with a path in it is answered 400.", "Host: @/a\r\n"],
  ["userinfo", "A Host with user information in it is answered 400.", "Host: a@@\r\n"],
  ["port-letters", "A Host whose port is no number is answered 400.", "Host: a.example:http\r\n"],
];

export const hostCases: readonly ConformanceCase[] = [
  ...refusedHosts.map(([id, must, fields]) =>
    http(`host-${id}`, "MUST", HOST, must, async (probe) => {
      const origin = await probe.origin();
      const host = fields.replaceAll("@@", `@${origin.authority}`).replace(/(?<!a)@/g, origin.authority);
      const request = `GET http://${origin.authority}/ HTTP/1.1\r\n${host}${probe.auth}\r\n`;
      await probe.refused(request, origin, { statuses: [400] });
    }),
  ),
  http(
    "host-replaced",
    "MUST",
    "RFC 9112 §3.2.2",
    "Host is replaced by the target's authority, whatever the client sent.",
    async (probe) => {
      const { request, origin } = await probe.exchange((o) =>
        probe.get(o).replace(/Host: [^\r]+/, "Host: elsewhere.example"),
      );
      expectThat(
        fieldOf(request, "host") === origin.authority,
        `Host arrived as ${shown(fieldOf(request, "host") ?? "nothing")}.`,
      );
    },
  ),
  http(
    "host-added",
    "MUST",
    "RFC 9112 §3.2",
    "A request of HTTP/1.0 without Host goes on with one.",
    async (probe) => {
      const { request, origin } = await probe.exchange(
        (o) => `GET http://${o.authority}/ HTTP/1.0\r\n${probe.auth}\r\n`,
      );
      expectThat(
        fieldOf(request, "host") === origin.authority,
        `Host arrived as ${shown(fieldOf(request, "host") ?? "nothing")}.`,
      );
    },
  ),
];
