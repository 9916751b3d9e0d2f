const scales = [
  { unit: "gigabyte", size: 1_000_000_000n },
  { unit: "megabyte", size: 1_000_000n },
  { unit: "kilobyte", size: 1_000n },
] as const;

/** A byte unit as Intl names it. */
export type ByteUnit = "byte" | (typeof scales)[number]["unit"];

/** The largest decimal unit of which `bytes` holds at least one. */
export function byteUnit(bytes: bigint): ByteUnit {
  return scales.find(({ size }) => bytes >= size)?.unit ?? "byte";
}

/** How many of `unit` are in `bytes`. A GB is 10^9 bytes. Exact to six digits after the point. */
export function inByteUnit(bytes: bigint, unit: ByteUnit): number {
  const size = scales.find((scale) => scale.unit === unit)?.size ?? 1n;
  return Number((bytes * 1_000_000n) / size) / 1_000_000;
}

/** Bytes for people in the reader's language, in decimal units: "38.2 MB", "512 byte". */
export function formatBytes(bytes: bigint, locale?: string): string {
  return formatInByteUnit(bytes, byteUnit(bytes), locale);
}

/** As `formatBytes`, in a unit that the caller keeps the same over several figures. */
export function formatInByteUnit(bytes: bigint, unit: ByteUnit, locale?: string): string {
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit,
    unitDisplay: unit === "byte" ? "long" : "short",
    ...digitsOf(inByteUnit(bytes, unit)),
  }).format(inByteUnit(bytes, unit));
}

/** A used part and its whole in the unit of the whole: "4.1 of 10 GB". */
export function formatShareOf(used: bigint, whole: bigint, locale?: string): string {
  const unit = byteUnit(whole);
  const part = inByteUnit(used, unit);
  return `${new Intl.NumberFormat(locale, digitsOf(part)).format(part)} of ${formatInByteUnit(whole, unit, locale)}`;
}

/** Every byte, grouped: "38,214,907 bytes". */
export function formatExactBytes(bytes: bigint, locale?: string): string {
  return `${new Intl.NumberFormat(locale).format(bytes)} ${bytes === 1n ? "byte" : "bytes"}`;
}

/** Three digits that matter are enough to read; none after the point for whole numbers and from a hundred on. */
function digitsOf(value: number): Intl.NumberFormatOptions {
  return { maximumFractionDigits: value >= 100 ? 0 : value >= 10 ? 1 : 2 };
}
