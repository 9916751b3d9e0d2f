import { closeSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 1 << 16;
const LINE_FEED = 10;

/** A line of a file, from 1, read without the whole of it; undefined when it is not there. */
export function lineOfFile(path: string, wanted: number): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    return seek(fd, wanted);
  } finally {
    closeSync(fd);
  }
}

function seek(fd: number, wanted: number): string | undefined {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let line = 1;
  let found = "";
  for (;;) {
    const size = readSync(fd, chunk, 0, CHUNK_BYTES, null);
    if (size === 0) return line === wanted && found !== "" ? found.trim() : undefined;
    for (let at = 0; at < size; ) {
      const feed = chunk.subarray(0, size).indexOf(LINE_FEED, at);
      const end = feed < 0 ? size : feed;
      if (line === wanted) found += chunk.toString("utf8", at, end);
      if (feed >= 0 && line++ === wanted) return found.trim();
      at = end + 1;
    }
  }
}
