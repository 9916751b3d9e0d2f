import type { ServerOptions } from "node:http2";

/** How much one HTTP/2 connection may ask for. */
export const CONCURRENT_STREAMS = 128;
const STREAM_WINDOW_BYTES = 262_144;
export const CONNECTION_WINDOW_BYTES = 4_194_304;
const HEADER_BYTES = 32_768;
const HEADER_FIELDS = 128;
const MEMORY_MEGABYTES = 48;
/** Streams that a client may reset at once, and each second after that (CVE-2023-44487). */
export const RESET_BURST = 500;
const RESETS_PER_SECOND = 50;
/** Frames that only keep the gateway busy, each second. */
export const CONTROL_FRAMES_PER_SECOND = 50;
/** Bytes that carry nothing, in frames of any kind, each second. */
export const IDLE_BYTES_PER_SECOND = 4_194_304;

/**
 * The header section may be larger than HTTP/1.1's limits, which then answer 431; twice as much ends the stream.
 * Node counts what else is wrong: frames that are malformed or empty, streams beyond the limit, header continuations.
 */
export const sessionOptions: ServerOptions = {
  settings: {
    enableConnectProtocol: true,
    enablePush: false,
    maxConcurrentStreams: CONCURRENT_STREAMS,
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxHeaderListSize: HEADER_BYTES,
  },
  maxHeaderListPairs: HEADER_FIELDS,
  maxSessionMemory: MEMORY_MEGABYTES,
  maxSettings: 16,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  streamResetBurst: RESET_BURST,
  streamResetRate: RESETS_PER_SECOND,
};
