import type { Load } from "../load/load.ts";
import type { Peer, PeerWay } from "../peers/peer.ts";

/** Who is measured. */
export interface Field {
  readonly load: Load;
  readonly ours: readonly Peer[];
  readonly rivals: readonly Peer[];
}

/** Each of ours beside each rival that has this way, with what to know about the rival. */
export function pairs({ ours, rivals }: Field, way: PeerWay): [Peer, Peer, string][] {
  return ours.flatMap((our) =>
    rivals.flatMap((rival): [Peer, Peer, string][] => {
      const note = rival.ways[way]?.note;
      return note === undefined ? [] : [[our, rival, note]];
    }),
  );
}
