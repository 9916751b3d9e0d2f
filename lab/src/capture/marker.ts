/** Where markers are sent: port 9, discard (RFC 863). */
export const MARKER_PORT = 9;

const ETHERNET_BYTES = 14;
const IP_BYTES = 20;
const UDP_BYTES = 8;

/** Whether a frame is a marker to `address`, and has that many payload bytes where a number is given. */
export function isMarkerFrame(frame: Buffer, address: string, payloadBytes?: number): boolean {
  if (frame.length < ETHERNET_BYTES + IP_BYTES + UDP_BYTES || frame.readUInt16BE(12) !== 0x0800) return false;
  const ip = frame.subarray(ETHERNET_BYTES);
  if (ip.readUInt8(9) !== 17 || [...ip.subarray(16, 20)].join(".") !== address) return false;
  const udp = ip.subarray((ip.readUInt8(0) & 0x0f) * 4);
  if (udp.readUInt16BE(2) !== MARKER_PORT) return false;
  return payloadBytes === undefined || udp.readUInt16BE(4) === payloadBytes + UDP_BYTES;
}
