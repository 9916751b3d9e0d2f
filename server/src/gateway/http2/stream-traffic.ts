/** Counts what the streams of one connection carry in DATA frames, both directions. */
export interface StreamTraffic {
  carriedBytes: number;
}
