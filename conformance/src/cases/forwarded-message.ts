import { setTimeout as delay } from "node:timers/promises";
import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { OK } from "../probe.ts";
import { fieldOf } from "../wire/message.ts";

const http = casesOf("http", ["http"]);

export const forwardedMessageCases: readonly ConformanceCase[] = [
  http(
    "message-own-version",
    "MUST",
    "RFC 9110 §2.5",
    "A request of HTTP/1.0 goes on in the proxy's own version.",
    async (probe) => {
      const { request } = await probe.exchange(
        (o) => `GET http://${o.authority}/ HTTP/1.0\r\nHost: ${o.authority}\r\n${probe.auth}\r\n`,
      );
      expectThat(request.version === "HTTP/1.1", `It went on as ${request.version}.`);
    },
  ),
  http(
    "message-own-version-response",
    "MUST",
    "RFC 9110 §2.5",
    "A response of HTTP/1.0 comes back in the proxy's own version.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin));
      const target = await probe.reached(origin, client);
      await target.request();
      target.finish("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
      const response = await client.response();
      expectThat(response.version === "HTTP/1.1", `It came back as ${response.version}.`);
      expectThat(response.body.toString() === "ok", `The body is ${shown(response.body)}.`);
    },
  ),
  http(
    "message-via-response",
    "MUST",
    "RFC 9110 §7.6.3",
    "A response says in Via which proxy it came through, and in which version it was received.",
    async (probe) => {
      const { response } = await probe.exchange((o) => probe.get(o));
      const via = fieldOf(response, "via");
      expectThat(/(?:^|, *)(?:HTTP\/)?1\.1 [^ ,]+/.test(via ?? ""), `Via is ${shown(via ?? "not there")}.`);
    },
  ),
  http(
    "message-date",
    "MUST",
    "RFC 9110 §6.6.1",
    "A response without Date gets one when it is sent on.",
    async (probe) => {
      const { response } = await probe.exchange(
        (o) => probe.get(o),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
      );
      const date = Date.parse(fieldOf(response, "date") ?? "");
      expectThat(
        Math.abs(date - Date.now()) < 60_000,
        `Date is ${shown(fieldOf(response, "date") ?? "not there")}.`,
      );
    },
  ),
  http(
    "message-date-kept",
    "MUST",
    "RFC 9110 §6.6.1",
    "A response's own Date is not changed.",
    async (probe) => {
      const date = "Sun, 06 Nov 1994 08:49:37 GMT";
      const { response } = await probe.exchange(
        (o) => probe.get(o),
        `HTTP/1.1 200 OK\r\nDate: ${date}\r\nContent-Length: 2\r\n\r\nok`,
      );
      expectThat(
        fieldOf(response, "date") === date,
        `Date is ${shown(fieldOf(response, "date") ?? "not there")}.`,
      );
    },
  ),
  http(
    "message-status-kept",
    "MUST",
    "RFC 9110 §15",
    "Statuses that the proxy does not know come back as they are.",
    async (probe) => {
      for (const status of [299, 418, 451, 599]) {
        const { response } = await probe.exchange(
          (o) => probe.get(o),
          `HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\n\r\n`,
        );
        expectThat(response.status === status, `${status} came back as ${response.status}.`);
      }
    },
  ),
  http(
    "message-no-reason",
    "MUST",
    "RFC 9112 §4",
    "A status line without a reason is a status line.",
    async (probe) => {
      const { response } = await probe.exchange(
        (o) => probe.get(o),
        "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
      );
      expectThat(response.status === 200, `It came back as ${response.status}.`);
    },
  ),
  http(
    "message-byte-by-byte",
    "MUST",
    "RFC 9112 §2.2",
    "A request and its answer are understood however they are cut on the wire.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      await client.sendInPieces(probe.get(origin, "X-A: b\r\n"));
      const target = await probe.reached(origin, client);
      expectThat(fieldOf(await target.request(), "x-a") === "b", "The field did not arrive.");
      await target.sendInPieces(OK);
      expectThat((await client.response()).body.toString() === "ok", "The body did not arrive.");
    },
  ),
  http(
    "message-streams",
    "SHOULD",
    "RFC 9110 §7.6",
    "A body moves on while it comes: neither side's bytes wait for the end.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, "Content-Length: 10\r\n", "first"));
      const target = await probe.reached(origin, client);
      await target.upTo("first");
      client.send("after");
      await target.upTo("after");
      target.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
      await client.upTo("first");
      await delay(5);
      target.send("after");
      await client.upTo("after");
    },
  ),
];
