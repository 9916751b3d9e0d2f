import { readFile } from "node:fs/promises";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { must } from "../net/run.ts";
import type { Packet } from "./packet.ts";
import { readPcap } from "./pcap.ts";

/** A capture of `eth0` in one namespace. */
export interface Capture {
  /** The pcap file, for tcpdump or Wireshark; it is there until the lab closes. */
  readonly file: string;
  /** Ends the capture and returns all packets that passed until this call. Throws when the kernel dropped any. */
  stop(): Promise<Packet[]>;
}

/** Enough for every header; payloads are counted by their length and not kept. */
const SNAP_BYTES = 128;
/** Multicast in the administrative scope (RFC 2365): the router takes no notice, and answers nothing. */
const MARKER_ADDRESS = "239.255.9.9";
const MARKER_PORT = 9;

/**
 * Starts a capture. `filter` is in tcpdump's language (pcap-filter(7)); an empty one takes everything.
 * Returns when packets are being taken.
 */
export async function startCapture(namespace: string, filter: string, file: string): Promise<Capture> {
  const marker = `udp and dst host ${MARKER_ADDRESS} and dst port ${MARKER_PORT}`;
  const expression = filter === "" ? [] : [`(${filter}) or (${marker})`];
  const options = [
    "-i",
    "eth0",
    "-n",
    "-U",
    "--immediate-mode",
    "-B",
    "32768",
    "-s",
    String(SNAP_BYTES),
    "-Z",
    "root",
  ];
  const tcpdump = new NamespaceProcess(namespace, ["tcpdump", ...options, "-w", file, ...expression]);
  await tcpdump.until(() => tcpdump.stderr.includes("listening on"), "taking packets");
  const read = async () => readPcap(await readFile(file));

  return {
    file,
    async stop() {
      // Packets reach the file in order: once the marker is in it, so is all that came before.
      const markerBytes = nextMarkerBytes();
      const send = `head -c ${markerBytes} /dev/zero > /dev/udp/${MARKER_ADDRESS}/${MARKER_PORT}`;
      await must(["ip", "netns", "exec", namespace, "bash", "-c", send]);
      let packets = await read();
      while (!packets.some((packet) => isMarker(packet) && packet.payloadBytes === markerBytes)) {
        if (!tcpdump.running) throw new Error(`tcpdump ended by itself: ${tcpdump.stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
        packets = await read();
      }
      await tcpdump.stop("SIGINT");
      const dropped = /(\d+) packets? dropped by kernel/.exec(tcpdump.stderr)?.[1];
      if (dropped !== "0") {
        throw new Error(
          `The capture is not whole: ${dropped ?? "an unknown number of"} packets were dropped.`,
        );
      }
      return packets.filter((packet) => !isMarker(packet));
    },
  };
}

let markers = 0;

/** Markers differ by their length, so that captures that run side by side do not end at each other's. */
function nextMarkerBytes(): number {
  markers = (markers % 1000) + 1;
  return markers;
}

function isMarker(packet: Packet): boolean {
  return (
    packet.protocol === "udp" &&
    packet.destination === MARKER_ADDRESS &&
    packet.destinationPort === MARKER_PORT
  );
}
