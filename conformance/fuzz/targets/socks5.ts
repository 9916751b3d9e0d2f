import {
  type Reader,
  readGreeting,
  readLogin,
  readSocksRequest,
} from "@atlantic/server/src/gateway/socks5/messages.ts";
import { readDatagram, writeDatagram } from "@atlantic/server/src/gateway/udp/datagram-header.ts";
import { bytesOf, type FuzzTarget, holds, same } from "../fuzz-target.ts";
import { mutated } from "../mutate.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

const corpus = bytesOf(
  "\x05\x01\x02",
  "\x05\x03\x00\x01\x02",
  "\x05\x00",
  "\x01\x0eatl_abcd1234-c\x04pass",
  "\x01\x00\x00",
  `\x01\xff${"u".repeat(255)}\xff${"p".repeat(255)}`,
  "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
  "\x05\x01\x00\x03\x0bexample.com\x01\xbb",
  "\x05\x01\x00\x03\x09127.0.0.1\x00\x50",
  "\x05\x01\x00\x03\x05[::1]\x00\x50",
  "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\xbb",
  "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00",
  "\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50",
  "\x00\x00\x00\x01\x7f\x00\x00\x01\x00\x35query",
  "\x00\x00\x00\x03\x0bexample.com\x01\xbbdata",
  "\x00\x00\x00\x04\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x35x",
);
const tokens = bytesOf(
  "\x05",
  "\x01",
  "\x00",
  "\x03",
  "\x04",
  "\xff",
  "\x00\x50",
  "[",
  "]",
  "::",
  "127.0.0.1",
);

const readers: readonly (readonly [string, Reader<unknown>])[] = [
  ["greeting", readGreeting],
  ["login", readLogin],
  ["request", readSocksRequest],
];

type Found = Outcome<ReturnType<Reader<unknown>>>;

function isIncomplete(found: Found): boolean {
  return "result" in found && found.result === undefined;
}

/** What is read of a part must be what is read of the whole, or nothing yet. */
function checkReader(name: string, read: Reader<unknown>, input: Buffer, cut: number): void {
  const whole: Found = outcomeOf(() => read(input));
  if ("result" in whole && whole.result) {
    const { used } = whole.result;
    holds(used > 0 && used <= input.length, `The ${name} took ${used} of ${input.length} bytes.`);
    same(
      outcomeOf(() => read(input.subarray(0, used))),
      whole,
      `The ${name} depends on what follows it`,
    );
    const short: Found = outcomeOf(() => read(input.subarray(0, used - 1)));
    holds(isIncomplete(short), `The ${name} was read before its last byte had come.`);
  }
  const part: Found = outcomeOf(() => read(input.subarray(0, cut)));
  if (!isIncomplete(part)) same(part, whole, `The ${name} changes with more bytes`);
}

function checkDatagram(input: Buffer): void {
  const datagram = readDatagram(input);
  if (datagram === undefined) return;
  holds(datagram.port > 0, "A datagram goes to port 0.");
  const again = readDatagram(outcomeOfWriting(datagram));
  holds(again !== undefined, () => `${JSON.stringify(datagram.host)} cannot be written and read again.`);
  holds(again.port === datagram.port && again.payload.equals(datagram.payload), "A datagram changed.");
}

function outcomeOfWriting(datagram: Parameters<typeof writeDatagram>[0]): Buffer {
  return writeDatagram(datagram);
}

/** The messages of SOCKS5 clients, and their datagrams. */
export const socks5: FuzzTarget = {
  name: "SOCKS5 messages",
  weight: 4,
  input: (random) => mutated(random, corpus, tokens),
  check(input, random) {
    for (const [name, read] of readers) checkReader(name, read, input, random.below(input.length + 1));
    checkDatagram(input);
  },
};
