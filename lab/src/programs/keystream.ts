import { createCipheriv, createHash, type Hash } from "node:crypto";
import { Readable } from "node:stream";

const PART_BYTES = 1 << 20;
const zeros = Buffer.alloc(PART_BYTES);

/** Bytes of which no part is like another (AES-128-CTR of zeros), so that a checksum tells loss, doubling and order. */
export class Keystream {
  readonly #hash: Hash = createHash("sha256");
  readonly #parts: Iterable<Buffer>;

  /** @param seed chooses which bytes */
  constructor(seed: number, bytes: number) {
    this.#parts = parts(seed, bytes, this.#hash);
  }

  stream(): Readable {
    return Readable.from(this.#parts, { objectMode: false, highWaterMark: PART_BYTES });
  }

  /** SHA-256 of all of them, in hex; once, when the stream has ended. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

function* parts(seed: number, bytes: number, hash: Hash): Generator<Buffer> {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  for (let left = bytes; left > 0; left -= PART_BYTES) {
    const part = cipher.update(left < PART_BYTES ? zeros.subarray(0, left) : zeros);
    hash.update(part);
    yield part;
  }
}

/** Run as a program: `node keystream.ts SEED BYTES` prints them, and their digest on standard error. */
if (import.meta.main) {
  const [seed, bytes] = process.argv.slice(2).map(Number);
  if (seed === undefined || bytes === undefined) throw new TypeError("keystream.ts SEED BYTES");
  const keystream = new Keystream(seed, bytes);
  const stream = keystream.stream();
  stream.on("end", () => process.stderr.write(`${keystream.digest()}\n`));
  stream.pipe(process.stdout);
}
