const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const ETHERNET = 1;
const HEADER_BYTES = 24;
const RECORD_BYTES = 16;

/** A captured Ethernet frame, cut to the length that the capture keeps. */
export interface Frame {
  /** Milliseconds since 1970, with fractions. */
  readonly at: number;
  readonly bytes: Buffer;
}

/** Frames, and how many bytes of the input they took. */
interface Records {
  readonly frames: Frame[];
  readonly used: number;
}

/**
 * Reads a capture file as tcpdump writes it on this machine (pcap, little-endian, microseconds, Ethernet;
 * draft-ietf-opsawg-pcap). An unfinished last record, which tcpdump may still be writing, is left out.
 */
export function readPcap(file: Buffer): Records {
  if (file.length < HEADER_BYTES) return { frames: [], used: 0 };
  if (file.readUInt32LE(0) !== MAGIC_MICROSECONDS) throw new Error("This is no little-endian pcap file.");
  if (file.readUInt32LE(20) !== ETHERNET) throw new Error("Only captures of Ethernet links can be read.");
  return readRecords(file, HEADER_BYTES);
}

/** Reads whole records from an offset on. */
export function readRecords(bytes: Buffer, from: number): Records {
  const frames: Frame[] = [];
  let offset = from;
  while (offset + RECORD_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(offset + 8);
    const frame = bytes.subarray(offset + RECORD_BYTES, offset + RECORD_BYTES + length);
    if (frame.length < length) break;
    const at = bytes.readUInt32LE(offset) * 1000 + bytes.readUInt32LE(offset + 4) / 1000;
    frames.push({ at, bytes: frame });
    offset += RECORD_BYTES + length;
  }
  return { frames, used: offset };
}
