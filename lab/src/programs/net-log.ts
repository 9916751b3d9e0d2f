import { z } from "zod";

const logSchema = z.object({
  constants: z.object({ logEventTypes: z.record(z.string(), z.number()) }),
  events: z.array(
    z.object({
      /** Milliseconds, as text. */
      time: z.coerce.number(),
      type: z.number(),
      source: z.object({ id: z.number() }),
      params: z
        .looseObject({
          host: z.string().optional(),
          encryption_level: z.string().optional(),
          details: z.string().optional(),
        })
        .optional(),
    }),
  ),
});

/** A QUIC connection as Chromium tells of it. */
export interface QuicSession {
  /** Packets with which it tried to begin (RFC 9000 §17.2.2). */
  readonly initials: number;
  /** Why it ended, in Chromium's words; null while it lasts. */
  readonly ended: string | null;
  /** From the first packet to the end, whole milliseconds. */
  readonly lastedMs: number | null;
}

/** Reads a file of Chromium's `--log-net-log`: its QUIC connections to a host, in the order of their beginning. */
export function quicSessions(log: string, host: string): QuicSession[] {
  const { constants, events } = logSchema.parse(JSON.parse(log));
  const named = (name: string) => {
    const type = constants.logEventTypes[name];
    if (type === undefined)
      throw new Error(`This Chromium's net log has no ${name}: net-log.ts must follow.`);
    return events.filter((event) => event.type === type);
  };
  const begun = named("QUIC_SESSION").filter(({ params }) => params?.host === host);
  const sent = named("QUIC_SESSION_PACKET_SENT");
  const closed = named("QUIC_SESSION_CLOSED");
  return begun.map(({ source: { id } }) => {
    const packets = sent.filter(({ source }) => source.id === id);
    const end = closed.find(({ source }) => source.id === id);
    const [first] = packets;
    return {
      initials: packets.filter(({ params }) => params?.encryption_level === "ENCRYPTION_INITIAL").length,
      ended: end?.params?.details ?? null,
      lastedMs: end && first ? end.time - first.time : null,
    };
  });
}
