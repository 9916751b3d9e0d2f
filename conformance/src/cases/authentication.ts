import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { basic, OK } from "../probe.ts";
import { fieldOf } from "../wire/message.ts";
import type { Origin } from "../wire/origin.ts";

const http = casesOf("http", ["http", "credentials"]);
const PROXY_AUTHENTICATE = "RFC 9110 §11.7.1";

function get(origin: Origin, fields: string): string {
  return `GET http://${origin.authority}/ HTTP/1.1\r\nHost: ${origin.authority}\r\n${fields}\r\n`;
}

/** Credentials that are none. */
const wrong: readonly (readonly [id: string, must: string, fields: string])[] = [
  ["none", "Without credentials the answer is 407 with Proxy-Authenticate.", ""],
  ["wrong", "Wrong credentials are answered 407 with Proxy-Authenticate.", basic("nobody:nothing")],
  [
    "other-scheme",
    "Another scheme is answered 407 with Proxy-Authenticate.",
    "Proxy-Authorization: Bearer abc\r\n",
  ],
  ["no-colon", "Basic credentials without a colon are answered with an error.", basic("nobody")],
  [
    "not-base64",
    "Basic credentials that are no base64 are answered with an error.",
    "Proxy-Authorization: Basic !!\r\n",
  ],
];

export const authenticationCases: readonly ConformanceCase[] = [
  ...wrong.map(([id, must, fields]) =>
    http(`auth-${id}`, "MUST", PROXY_AUTHENTICATE, must, async (probe) => {
      const origin = await probe.origin();
      const { client: _, ...taken } = await probe.taken(get(origin, fields), origin);
      expectThat(taken.kind === "refused", `It was ${taken.kind}.`);
      const { status, head } = taken.response;
      const statuses = id === "no-colon" || id === "not-base64" ? [400, 407] : [407];
      expectThat(statuses.includes(status), `The answer is ${status}.`);
      if (status !== 407) return;
      const challenge = fieldOf(taken.response, "proxy-authenticate") ?? "";
      expectThat(
        /^Basic realm="[^"]*"/i.test(challenge),
        `The challenge is ${shown(challenge)} in ${shown(head)}.`,
      );
      expectThat(origin.received === 0, "The origin got something.");
    }),
  ),
  http(
    "auth-scheme-case",
    "MUST",
    "RFC 9110 §11.1",
    "The scheme's name is read without regard to case.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(get(origin, probe.auth.replace("Basic", "bASIC")));
      await (await probe.reached(origin, client)).request();
    },
  ),
  http(
    "auth-charset",
    "SHOULD",
    "RFC 7617 §2.1",
    "The challenge says that user names and passwords are UTF-8.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.refused(get(origin, ""), origin, { statuses: [407] });
      void client;
      const again = await probe.client();
      again.send(get(origin, ""));
      const challenge = fieldOf(await again.response(), "proxy-authenticate") ?? "";
      expectThat(/charset="UTF-8"/i.test(challenge), `The challenge is ${shown(challenge)}.`);
    },
  ),
  http(
    "auth-then-right",
    "MUST",
    "RFC 9110 §15.5.8",
    "After a 407 the same client with the right credentials is let through.",
    async (probe) => {
      const origin = await probe.origin();
      const first = await probe.client();
      first.send(get(origin, ""));
      expectThat((await first.response()).status === 407, "The first answer was not 407.");
      const kept = first.end === null && !(await first.becomes(() => first.end !== null, 300));
      const client = kept ? first : await probe.client();
      client.send(get(origin, probe.auth));
      const target = await probe.reached(origin, client);
      await target.request();
      target.send(OK);
      expectThat((await client.response()).status === 200, "The second answer was not 200.");
    },
  ),
  http(
    "auth-authorization-untouched",
    "MUST",
    "RFC 9110 §11.6.2",
    "Authorization is the target's and goes on as it is.",
    async (probe) => {
      const { request } = await probe.exchange((o) => probe.get(o, "Authorization: Basic QTpC\r\n"));
      expectThat(fieldOf(request, "authorization") === "Basic QTpC", "It was left out or changed.");
    },
  ),
];
