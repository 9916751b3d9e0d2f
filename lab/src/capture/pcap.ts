import { type Packet, readFrame } from "./packet.ts";

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const ETHERNET = 1;
const HEADER_BYTES = 24;
const RECORD_BYTES = 16;

/**
 * Reads a capture file as tcpdump writes it on this machine (pcap, little-endian, microseconds, Ethernet;
 * draft-ietf-opsawg-pcap). An unfinished last record, which tcpdump may still be writing, is left out.
 */
export function readPcap(file: Buffer): Packet[] {
  if (file.length < HEADER_BYTES) return [];
  if (file.readUInt32LE(0) !== MAGIC_MICROSECONDS) throw new Error("This is no little-endian pcap file.");
  if (file.readUInt32LE(20) !== ETHERNET) throw new Error("Only captures of Ethernet links can be read.");
  const packets: Packet[] = [];
  let offset = HEADER_BYTES;
  while (offset + RECORD_BYTES <= file.length) {
    const length = file.readUInt32LE(offset + 8);
    const frame = file.subarray(offset + RECORD_BYTES, offset + RECORD_BYTES + length);
    if (frame.length < length) break;
    const at = file.readUInt32LE(offset) * 1000 + file.readUInt32LE(offset + 4) / 1000;
    const packet = readFrame(frame, at);
    if (packet) packets.push(packet);
    offset += RECORD_BYTES + length;
  }
  return packets;
}
