import { setTimeout as delay } from "node:timers/promises";
import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { type Probe, socksConnect } from "../probe.ts";
import type { Origin } from "../wire/origin.ts";

const refusal = casesOf("refusals", ["http"]);
const socksRefusal = casesOf("refusals", ["socks5"]);
const GUARD = "checklist 4.2";
/** Some try several times before they give up. */
const PATIENT_MS = 8_000;

/** Addresses that an exit must not reach; those `here` lead to this machine, where a listener would notice. */
const addresses: readonly (readonly [id: string, host: string, here: boolean])[] = [
  ["loopback", "127.0.0.2", true],
  ["unspecified", "0.0.0.0", true],
  ["unspecified-v6", "[::]", true],
  ["mapped-loopback", "[::ffff:127.0.0.2]", true],
  ["mapped-loopback-hex", "[::ffff:7f00:2]", true],
  ["compatible-loopback", "[::127.0.0.2]", false],
  ["private-10", "10.0.0.1", false],
  ["private-172", "172.16.0.1", false],
  ["private-192", "192.168.0.1", false],
  ["link-local", "169.254.169.254", false],
  ["mapped-link-local", "[::ffff:169.254.169.254]", false],
  ["carrier-nat", "100.64.0.1", false],
  ["benchmark", "198.18.0.1", false],
  ["documentation", "192.0.2.1", false],
  ["multicast", "224.0.0.1", false],
  ["reserved", "240.0.0.1", false],
  ["broadcast", "255.255.255.255", false],
  ["unique-local-v6", "[fd00::1]", false],
  ["link-local-v6", "[fe80::1]", false],
  ["nat64-private", "[64:ff9b::a00:1]", false],
  ["6to4-private", "[2002:a00:1::1]", false],
  ["teredo", "[2001:0:1::1]", false],
];

/** Loopback in spellings that some resolvers read as addresses: each leads to 127.0.0.2 where it is obeyed. */
const spellings: readonly (readonly [id: string, host: string])[] = [
  ["decimal", "2130706434"],
  ["hexadecimal", "0x7f000002"],
  ["octal", "0177.0.0.2"],
  ["short", "127.2"],
  ["trailing-dot", "127.0.0.2."],
  ["zero-padded", "127.000.000.002"],
];

/** Asks for a target in every HTTP way that the proxy has, and expects a 4xx and silence at the listener. */
async function refusesTarget(
  probe: Probe,
  host: string,
  canary: Origin | undefined,
  port: number,
): Promise<void> {
  const authority = `${host}:${port}`;
  const ways = [`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n${probe.auth}\r\n`];
  if (probe.subject.abilities.has("connect")) ways.push(probe.connectTo(authority));
  for (const request of ways) {
    const client = await probe.client();
    client.send(request);
    const answered = () => client.unread.length > 0 || client.end !== null;
    await client.becomes(() => answered() || (canary?.wires.length ?? 0) > 0, PATIENT_MS);
    if (canary) {
      await delay(5);
      expectThat(canary.wires.length === 0, `${authority} was dialled: the listener there got a connection.`);
    }
    expectThat(answered(), `${authority} was dialled: there is no answer after 8 s.`);
    if (client.unread.length === 0) continue;
    const status = Number(/^HTTP\/1\.\d (\d+)/.exec(client.unread.toString("latin1"))?.[1]);
    // Where the listener would have noticed, any error will do: nothing was dialled.
    const refused = status >= 400 && (canary !== undefined || status < 500);
    expectThat(refused, `${authority} was not refused but tried: ${shown(client.unread)}.`);
  }
}

export const refusalCases: readonly ConformanceCase[] = [
  ...addresses.map(([id, host, here]) =>
    refusal(`address-${id}`, "MUST", GUARD, `${host} is refused before it is dialled.`, async (probe) => {
      const canary = here ? await probe.origin("::") : undefined;
      await refusesTarget(probe, host, canary, canary?.port ?? 80);
    }),
  ),
  ...spellings.map(([id, host]) =>
    refusal(
      `spelling-${id}`,
      "MUST",
      GUARD,
      `${host} does not lead to this machine's loopback.`,
      async (probe) => {
        const canary = await probe.origin("::");
        await refusesTarget(probe, host, canary, canary.port);
      },
    ),
  ),
  refusal("name-private", "MUST", GUARD, "A name whose address is private is refused.", async (probe) => {
    const canary = await probe.origin("::");
    await refusesTarget(probe, "private.atlantic.test", canary, canary.port);
  }),
  refusal("own-port", "MUST", GUARD, "The proxy does not lead to itself.", async (probe) => {
    const authority = `127.0.0.1:${probe.subject.port}`;
    const client = await probe.client();
    const tunnel = probe.subject.abilities.has("connect");
    client.send(
      tunnel
        ? probe.connectTo(authority)
        : `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n${probe.auth}\r\n`,
    );
    const { status } = await client.response({ bodiless: tunnel });
    expectThat(status >= 400 && status !== 407, `The answer is ${status}.`);
  }),
  ...[25, 465, 587].map((port) =>
    refusal(
      `port-${port}`,
      "MUST",
      GUARD,
      `Port ${port}, where mail is handed in, is refused.`,
      async (probe) => {
        await refusesTarget(probe, "127.0.0.1", undefined, port);
      },
    ),
  ),
  ...(
    [
      ["ipv4", [127, 0, 0, 2]],
      ["ipv6-mapped", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 2]],
      ["name-as-address", "127.0.0.2"],
      ["name-in-brackets", "[::ffff:127.0.0.2]"],
      ["name-decimal", "2130706434"],
      ["name", "private.atlantic.test"],
    ] as const
  ).map(([id, address]) =>
    socksRefusal(
      `socks-${id}`,
      "MUST",
      GUARD,
      `SOCKS5 leads to no private address either: ${typeof address === "string" ? address : id}.`,
      async (probe) => {
        const canary = await probe.origin("::");
        const client = await probe.socks();
        const code = await probe.socksAsk(client, socksConnect(canary.port, address));
        expectThat(code !== 0, "The reply is 0.");
        expectThat(canary.wires.length === 0, "The listener there got a connection.");
      },
    ),
  ),
];
