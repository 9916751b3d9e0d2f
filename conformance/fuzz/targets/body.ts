import { bodyReader } from "@atlantic/server/src/gateway/http/body-reader.ts";
import type { Framing } from "@atlantic/server/src/gateway/http/framing.ts";
import { readRequest as readStrictly } from "../../src/wire/message.ts";
import { bytesOf, type FuzzTarget, holds, same } from "../fuzz-target.ts";
import { mutated } from "../mutate.ts";
import type { Random } from "../random.ts";
import { outcomeOf } from "./outcome.ts";

const corpus = bytesOf(
  "5\r\nhello\r\n0\r\n\r\n",
  "1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\nGET / HTTP/1.1",
  '5;a=b;c="d;e"\r\nhello\r\n0;f\r\nX-T: 1\r\nX-U: 2\r\n\r\n',
  "00A\r\nhellohello\r\n000\r\n\r\n",
  "0\r\nContent-Length: 5\r\nHost: a\r\nX-T: 1\r\n\r\n",
  "1f\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
);
const tokens = bytesOf(
  "\r\n0\r\n\r\n",
  "5\r\n",
  "0\r\n",
  ";a=b",
  "X-T: 1\r\n",
  "X-T : 1\r\n",
  "0x5",
  "fffffffffffff",
  "10000000000000005",
  "Transfer-Encoding: chunked\r\n",
);
const CHUNKED: Framing = { kind: "chunked" };

interface Read {
  readonly passed: string;
  readonly used: number;
  readonly done: boolean;
}

/** Reads in pieces that end at these places. */
function readIn(input: Buffer, cuts: readonly number[], payloadOnly: boolean) {
  const reader = bodyReader(CHUNKED, payloadOnly);
  let passed = "";
  let used = 0;
  const found = outcomeOf((): Read => {
    for (const [index, end] of [...cuts, input.length].entries()) {
      const start = index === 0 ? 0 : (cuts[index - 1] ?? 0);
      if (reader.done) break;
      const piece = Buffer.from(input.subarray(start, end));
      const stopped = reader.read(piece, 0, (bytes, from, to) => {
        passed += bytes.toString("latin1", from, to);
      });
      used = start + stopped;
    }
    return { passed, used, done: reader.done };
  });
  return { found, passed };
}

function cutsOf(random: Random, length: number): number[] {
  return Array.from({ length: random.below(4) }, () => random.below(length + 1)).sort((a, b) => a - b);
}

const PREFIX = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Chunked bodies: the same in pieces as at once, and what goes on is one clear body with the same payload. */
export const body: FuzzTarget = {
  name: "HTTP bodies",
  weight: 4,
  input: (random) => mutated(random, corpus, tokens),
  check(input, random) {
    const whole = readIn(input, [], false);
    const pieces = readIn(input, cutsOf(random, input.length), false);
    same(pieces.found, whole.found, "A body in pieces is read as another");
    if (!("result" in whole.found)) return;
    const { passed, done, used } = whole.found.result;
    holds(used <= input.length, "More was read than there is.");
    if (!done) return;
    const payload = readIn(input, cutsOf(random, input.length), true).found;
    holds("result" in payload, "Without its frames a body is broken that is none with them.");
    const seen = readStrictly(Buffer.from(PREFIX + passed, "latin1"));
    holds(
      seen !== undefined && seen.used === PREFIX.length + passed.length,
      "What goes on is not one whole body.",
    );
    same(seen.body.toString("latin1"), payload.result.passed, "The payload changed on the way");
    for (const [name] of seen.trailers) {
      const framing = name === "content-length" || name === "transfer-encoding" || name === "host";
      holds(!framing, `${name} went on as a trailer.`);
    }
  },
};
