import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { encode } from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BlockedAnswer } from "./resolver.ts";
import { ask, exchangeUdp, rcodeOf } from "./testing/ask.ts";
import { listOf } from "./testing/list-of.ts";
import { openStage } from "./testing/stage.ts";
import { answerFromZone } from "./testing/zone.ts";

const both = [{ withoutNative: false }, { withoutNative: true }] as const;
const zone = { "www.example": [{ type: "A" as const, name: "www.example", ttl: 300, data: "192.0.2.1" }] };

/** A good query, some of whose bytes were changed, cut or added. */
const mangled = fc
  .record({
    changes: fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 6 }),
    cut: fc.option(fc.nat(40)),
    tail: fc.uint8Array({ maxLength: 20 }),
  })
  .map(({ changes, cut, tail }) => {
    const packet = encode({
      type: "query",
      id: 7,
      flags: 0x100,
      questions: [{ type: "A", name: "www.example" }],
    });
    for (const [at, byte] of changes) if (at < packet.length) packet[at] = byte;
    return Buffer.concat([packet.subarray(0, cut ?? packet.length), tail]);
  });
const packets = fc.oneof(
  mangled,
  fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
);

test.each(both)("no packet stops the resolver ($withoutNative)", async ({ withoutNative }) => {
  await using stage = await openStage(answerFromZone(zone), {
    withoutNative,
    sources: [listOf("||blocked.example^")],
  });
  const socket = createSocket("udp4");
  const answers: Buffer[] = [];
  socket.on("message", (answer) => answers.push(answer));
  const sent = fc.sample(packets, { numRuns: 1_500, seed: 4_711 });
  for (const packet of sent) {
    socket.send(packet, stage.place.port, stage.place.host);
    // A query between them shows that all before it were taken.
    if (Math.random() < 0.02) expect(rcodeOf(await ask(stage.place, "blocked.example"))).toBe(3);
  }
  expect((await ask(stage.place, "www.example")).answers).toHaveLength(1);
  socket.close();
  // Whatever was answered says that it is an answer: no two resolvers could be set against each other.
  for (const answer of answers) expect((answer[2] ?? 0) & 0x80).toBe(0x80);
});

test.each(both)("no bytes over TCP stop the resolver ($withoutNative)", async ({ withoutNative }) => {
  await using stage = await openStage(answerFromZone(zone), { withoutNative });
  for (const bytes of fc.sample(fc.uint8Array({ maxLength: 400 }), { numRuns: 60, seed: 4_711 })) {
    const socket = connect(stage.place.port, stage.place.host);
    socket.on("error", () => {});
    socket.end(Buffer.from(bytes));
    socket.resume();
    await once(socket, "close");
  }
  expect((await ask(stage.place, "www.example")).answers).toHaveLength(1);
});

test("the fast path says byte for byte what JavaScript says", async () => {
  const sources = [
    listOf("||blocked.example^", "@@||open.blocked.example^", "||v6.blocked.example^$dnstype=AAAA"),
  ];
  const labels = fc.constantFrom("", "www.", "OPEN.", "v6.", "a.B.");
  const queries = fc.record({
    name: labels.map((label) => `${label}Blocked.example`),
    type: fc.constantFrom("A", "AAAA", "TXT", "HTTPS", "MX", "ANY"),
    flags: fc.constantFrom(0, 0x100, 0x120, 0x110),
    edns: fc.constantFrom(null, { size: 512, flags: 0 }, { size: 4_096, flags: 0x8000 }),
  });
  for (const how of ["nxdomain", "zero", "refused"] satisfies BlockedAnswer[]) {
    const options = { sources, blockedAnswer: () => how };
    const zoneAnswer = answerFromZone({});
    await using fast = await openStage(zoneAnswer, options);
    await using slow = await openStage(zoneAnswer, { ...options, withoutNative: true });
    for (const { name, type, flags, edns } of fc.sample(queries, { numRuns: 60, seed: 4_711 })) {
      const additionals = edns
        ? [
            {
              type: "OPT" as const,
              name: ".",
              udpPayloadSize: edns.size,
              flags: edns.flags,
              options: [],
              extendedRcode: 0,
              ednsVersion: 0,
              flag_do: false,
            },
          ]
        : [];
      const query = encode({
        type: "query",
        id: 99,
        flags,
        questions: [{ name, type: type as "A" }],
        additionals,
      });
      // Twice: the second answer may come from a cache.
      for (const _ of [1, 2]) {
        const [one, other] = await Promise.all([
          exchangeUdp(fast.place, query),
          exchangeUdp(slow.place, query),
        ]);
        expect(one.toString("hex"), `${name} ${type} ${how}`).toBe(other.toString("hex"));
      }
    }
    expect(fast.resolver.counters().blocked).toBe(slow.resolver.counters().blocked);
    expect(fast.resolver.counters().blockedBy).toEqual(slow.resolver.counters().blockedBy);
  }
});

test("a new list replaces the old one under a stream of queries, and none goes without an answer", async () => {
  await using stage = await openStage(answerFromZone(zone), { sources: [listOf("||old.example^")] });
  const socket = createSocket("udp4");
  const answered = new Set<number>();
  socket.on("message", (answer) => answered.add(answer.readUInt16BE(0)));
  const count = 3_000;
  const reloads = (async () => {
    for (let round = 0; round < 10; round++) {
      await stage.filter.load([
        listOf("||old.example^", ...Array.from({ length: 2_000 }, (_, index) => `${round}.${index}.example`)),
      ]);
    }
  })();
  for (let id = 1; id <= count; id++) {
    const query = encode({
      type: "query",
      id,
      flags: 0x100,
      questions: [{ type: "A", name: "x.old.example" }],
    });
    await new Promise((resolve) => socket.send(query, stage.place.port, stage.place.host, resolve));
    // No more on the way than a socket's buffer holds, or the kernel would drop them.
    while (id - answered.size > 100) await new Promise((resolve) => socket.once("message", resolve));
  }
  while (answered.size < count) await new Promise((resolve) => socket.once("message", resolve));
  await reloads;
  socket.close();
  expect(answered.size).toBe(count);
  expect(stage.resolver.counters().blocked).toBe(count);
});
