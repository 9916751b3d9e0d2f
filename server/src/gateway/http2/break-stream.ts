import type { ServerHttp2Stream } from "node:http2";

/**
 * Ends a stream as something broken: RST_STREAM and nothing else. Node would send END_STREAM first, and a part of an
 * answer would look like all of it.
 */
export function breakStream(stream: ServerHttp2Stream, code: number): void {
  if (stream.closed || stream.destroyed) return;
  stream._final = (done) => done();
  stream.close(code);
}
