import { open } from "node:fs/promises";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { must } from "../net/run.ts";
import { isMarkerFrame, MARKER_PORT } from "./marker.ts";
import { type Frame, readPcap, readRecords } from "./pcap.ts";

export interface FrameCaptureOptions {
  readonly namespace: string;
  readonly link: string;
  /** In tcpdump's language (pcap-filter(7)); an empty one takes everything. */
  readonly filter: string;
  /** The pcap file that is written. */
  readonly file: string;
  /** Multicast address whose route in the namespace leads out of the link. */
  readonly marker: string;
}

/** A capture of one link, whole or an error. */
export interface FrameCapture {
  readonly file: string;
  /** The frames that passed since the last call, up to this one. Throws when tcpdump has ended. */
  segment(): Promise<Frame[]>;
  /** The last segment; ends the capture. Throws when the kernel dropped any frame. */
  stop(): Promise<Frame[]>;
}

/** Enough for every header; payloads are counted by their length and not kept. */
const SNAP_BYTES = 128;

/** Starts a capture; returns when frames are being taken. */
export async function startFrameCapture(options: FrameCaptureOptions): Promise<FrameCapture> {
  const { namespace, link, filter, file, marker } = options;
  const markers = `udp and dst host ${marker} and dst port ${MARKER_PORT}`;
  const expression = filter === "" ? [] : [`(${filter}) or (${markers})`];
  const argv = ["tcpdump", "-i", link, "-n", "-U", "--immediate-mode", "-B", "32768", "-Z", "root"];
  const tcpdump = new NamespaceProcess(namespace, [
    ...argv,
    "-s",
    String(SNAP_BYTES),
    "-w",
    file,
    ...expression,
  ]);
  await tcpdump.until(() => tcpdump.stderr.includes("listening on"), "taking packets");
  const pending = followFile(file);

  const segment = async () => {
    // Frames reach the file in order: once the marker is in it, so is all that came before.
    const bytes = nextMarkerBytes();
    const send = `head -c ${bytes} /dev/zero > /dev/udp/${marker}/${MARKER_PORT}`;
    await must(["ip", "netns", "exec", namespace, "bash", "-c", send]);
    const frames: Frame[] = [];
    for (;;) {
      for (const frame of await pending.read()) {
        if (!isMarkerFrame(frame.bytes, marker)) frames.push(frame);
        else if (isMarkerFrame(frame.bytes, marker, bytes)) return frames;
      }
      if (!tcpdump.running) throw new Error(`tcpdump ended by itself: ${tcpdump.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  return {
    file,
    segment,
    async stop() {
      const frames = await segment();
      await tcpdump.stop("SIGINT");
      const dropped = /(\d+) packets? dropped by kernel/.exec(tcpdump.stderr)?.[1];
      if (dropped !== "0") {
        throw new Error(
          `The capture is not whole: ${dropped ?? "an unknown number of"} packets were dropped.`,
        );
      }
      return frames;
    },
  };
}

/** Reads what was added to a pcap file since the last read. An unfinished record waits for its rest. */
function followFile(file: string): { read(): Promise<Frame[]> } {
  let offset = 0;
  let rest: Buffer = Buffer.alloc(0);
  let headerSeen = false;
  return {
    async read() {
      const handle = await open(file);
      try {
        const { size } = await handle.stat();
        const added = Buffer.alloc(size - offset);
        const { bytesRead } = await handle.read(added, 0, added.length, offset);
        offset += bytesRead;
        rest = Buffer.concat([rest, added.subarray(0, bytesRead)]);
      } finally {
        await handle.close();
      }
      const { frames, used } = headerSeen ? readRecords(rest, 0) : readPcap(rest);
      headerSeen ||= used > 0;
      rest = rest.subarray(used);
      return frames;
    },
  };
}

let markers = 0;

/** Markers differ by their length, so that captures that run side by side do not end at each other's. */
function nextMarkerBytes(): number {
  markers = (markers % 1000) + 1;
  return markers;
}
