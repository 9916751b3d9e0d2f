/** The middle value, or the mean of the two in the middle. @throws RangeError for no values or no finite ones */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * The value below which this part of the values lies, linear between neighbours (type 7 of Hyndman and Fan, 1996).
 * @throws RangeError for no values, one that is not finite, or a part outside 0 to 1
 */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) throw new RangeError("Nothing was measured.");
  if (!values.every(Number.isFinite)) throw new RangeError("A measured value is not a number.");
  if (!(part >= 0 && part <= 1)) throw new RangeError("A quantile is between 0 and 1.");
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? 0;
  return below + (above - below) * (place - Math.floor(place));
}
