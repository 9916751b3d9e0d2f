import { startFrameCapture } from "./frame-capture.ts";
import { type Packet, readFrame } from "./packet.ts";

/** A capture of `eth0` in one namespace. */
export interface Capture {
  /** The pcap file, for tcpdump or Wireshark; it is there until the lab closes. */
  readonly file: string;
  /** Ends the capture and returns all packets that passed until this call. Throws when the kernel dropped any. */
  stop(): Promise<Packet[]>;
}

/** Multicast in the administrative scope (RFC 2365): the router takes no notice, and answers nothing. */
const MARKER_ADDRESS = "239.255.9.9";

/**
 * Starts a capture. `filter` is in tcpdump's language (pcap-filter(7)); an empty one takes everything.
 * Returns when packets are being taken.
 */
export async function startCapture(namespace: string, filter: string, file: string): Promise<Capture> {
  const capture = await startFrameCapture({ namespace, link: "eth0", filter, file, marker: MARKER_ADDRESS });
  return {
    file,
    async stop() {
      const frames = await capture.stop();
      return frames.flatMap(({ bytes, at }) => readFrame(bytes, at) ?? []);
    },
  };
}
