/**
 * Arrays as Postgres sends and takes them in binary (array_recv): a value that is bytes goes over the wire as it is, on
 * both drivers, and costs a fraction of the text `{…}` with its quoting. Use with a cast: `${int8s(x)}::int8[]`.
 */

/** Type ids of Postgres, from its catalogue pg_type. */
const BYTEA = 17;
const INT8 = 20;
const INT4 = 23;
const TEXT = 25;
const TIMESTAMPTZ = 1184;
const UUID = 2950;

/** The types of such arrays, so that a driver knows where bytes may stand. */
export const BINARY_ARRAY_TYPES = [1001, 1016, 1007, 1009, 1185, 2951] as const;

/** dimensions, has nulls, element type, length, lower bound */
const HEADER_BYTES = 20;
const NULL = -1;
const TWO_TO_32 = 4_294_967_296;
/** Postgres counts from the year 2000. */
const EPOCH_MS = 946_684_800_000;

class ArrayWriter {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = HEADER_BYTES;

  constructor(elementType: number, length: number, capacity: number) {
    this.#bytes = Buffer.allocUnsafe(HEADER_BYTES + capacity);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    this.#view.setInt32(0, length === 0 ? 0 : 1);
    this.#view.setInt32(4, 1);
    this.#view.setInt32(8, elementType);
    this.#view.setInt32(12, length);
    this.#view.setInt32(16, 1);
    // An array without elements has no dimensions, and so no length and no bound.
    if (length === 0) this.#at = 12;
  }

  int4(value: number): void {
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  /** A whole number within ±2^53. */
  int8(value: number): void {
    this.#view.setInt32(this.#at, Math.floor(value / TWO_TO_32));
    this.#view.setUint32(this.#at + 4, value >>> 0);
    this.#at += 8;
  }

  /** The text with its length before it. */
  text(value: string): void {
    const start = this.#at + 4;
    let at = start;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) {
        at = start + this.#bytes.write(value, start, "utf8");
        break;
      }
      this.#bytes[at++] = code;
    }
    this.#view.setInt32(this.#at, at - start);
    this.#at = at;
  }

  bytes(value: Uint8Array): void {
    this.int4(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** Sixteen bytes of `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`. */
  uuid(value: string): void {
    let at = this.#at;
    for (let index = 0; index < 36; index += 2) {
      if (index === 8 || index === 13 || index === 18 || index === 23) index++;
      this.#bytes[at++] = (digit(value.charCodeAt(index)) << 4) | digit(value.charCodeAt(index + 1));
    }
    this.#at = at;
  }

  end(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  if (letter >= 0x61 && letter <= 0x66) return letter - 0x57;
  throw new RangeError("A UUID has another character than hexadecimal digits.");
}

function fixed<Value>(type: number, size: number, write: (writer: ArrayWriter, value: Value) => void) {
  return <Row>(rows: readonly Row[], pick: (row: Row) => Value | null): Buffer => {
    const writer = new ArrayWriter(type, rows.length, rows.length * (4 + size));
    for (const row of rows) {
      const value = pick(row);
      if (value === null) {
        writer.int4(NULL);
        continue;
      }
      writer.int4(size);
      write(writer, value);
    }
    return writer.end();
  };
}

/** `int4[]` */
export const int4s = fixed<number>(INT4, 4, (writer, value) => writer.int4(value));

/** `int8[]` of whole numbers within ±2^53. */
export const int8s = fixed<number>(INT8, 8, (writer, value) => writer.int8(value));

/** `timestamptz[]` of milliseconds since 1970. */
export const timestamps = fixed<number>(TIMESTAMPTZ, 8, (writer, value) =>
  writer.int8((value - EPOCH_MS) * 1_000),
);

/** `uuid[]` @throws RangeError for what is no UUID */
export const uuids = fixed<string>(UUID, 16, (writer, value) => {
  if (value.length !== 36) throw new RangeError("A UUID has 36 characters.");
  writer.uuid(value);
});

/** `text[]`; no text may hold U+0000, which Postgres refuses. */
export const texts: <Row>(rows: readonly Row[], pick: (row: Row) => string | null) => Buffer = (
  rows,
  pick,
) => {
  let capacity = 0;
  const values = rows.map((row) => {
    const value = pick(row);
    capacity += 4 + (value === null ? 0 : value.length * 3);
    return value;
  });
  const writer = new ArrayWriter(TEXT, values.length, capacity);
  for (const value of values) {
    if (value === null) writer.int4(NULL);
    else writer.text(value);
  }
  return writer.end();
};

/** `bytea[]` */
export const byteas: <Row>(rows: readonly Row[], pick: (row: Row) => Uint8Array | null) => Buffer = (
  rows,
  pick,
) => {
  const values = rows.map(pick);
  const capacity = values.reduce((all, value) => all + 4 + (value?.length ?? 0), 0);
  const writer = new ArrayWriter(BYTEA, values.length, capacity);
  for (const value of values) {
    if (value === null) writer.int4(NULL);
    else writer.bytes(value);
  }
  return writer.end();
};
