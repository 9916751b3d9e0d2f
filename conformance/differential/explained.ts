import type { Difference } from "./compare.ts";
import type { GeneratedExchange } from "./exchange-arbitrary.ts";

/** Why a difference is right: which of the two holds to what, or that the standard leaves it open. */
export interface Rule {
  readonly name: string;
  readonly section: string;
  readonly because: string;
  /** Set where a proxy says something of itself, which no other can say alike. */
  readonly own?: true;
  explains(difference: Difference, exchange: GeneratedExchange): boolean;
}

/** A difference in one field, where what each of the two may have sent is said. */
function field(
  side: "origin" | "client",
  name: string,
  fits: (ours: string | null, peer: string | null) => boolean,
) {
  return ({ what, ours, peer }: Difference) => what === `${side} field ${name}` && fits(ours, peer);
}

const onlyPeer = (pattern: RegExp) => (ours: string | null, peer: string | null) =>
  ours === null && peer !== null && pattern.test(peer);

/** Whether ours refuses what the peer sends on, and the request has this in it. */
function oursRefuses({ what, ours, peer }: Difference, has: boolean): boolean {
  return (
    has &&
    what === "outcome" &&
    ours === "refused 4xx" &&
    (peer === "sent on" || peer === "refused 5xx" || peer === "closed")
  );
}

function has({ fields }: GeneratedExchange, pattern: RegExp): boolean {
  return fields.some((line) => pattern.test(line));
}

const reason = /^(HTTP\/1\.1 \d{3}) /;

/** The rules of the differences between ours and squid 5; whatever none of them explains is a failure. */
export const rules: readonly Rule[] = [
  {
    name: "squid tells the target of itself",
    section: "RFC 9110 §7.6.3",
    because:
      "A proxy must add Via; ours leaves it out toward targets on purpose, which docs/conformance.md says.",
    own: true,
    explains: field("origin", "via", onlyPeer(/^1\.[01] .*squid/)),
  },
  {
    name: "each names itself to the client",
    section: "RFC 9110 §7.6.3",
    because: "Via holds the pseudonym of the proxy that it comes through.",
    own: true,
    explains: field(
      "client",
      "via",
      (ours, peer) => ours === "1.1 atlantic" && /^1\.1 .*squid/.test(peer ?? ""),
    ),
  },
  {
    name: "squid tells of its cache",
    section: "RFC 9110 §6.3",
    because: "X-Cache fields are squid's own; a recipient may ignore what it does not know.",
    own: true,
    explains: ({ what, ours }) => /^client field x-cache(?:-lookup)?$/.test(what) && ours === null,
  },
  {
    name: "squid asks as a cache",
    section: "RFC 9111 §5.2.1.1",
    because: "It adds max-age as its own wish to the next cache; ours is none and adds nothing.",
    own: true,
    explains: field("origin", "cache-control", (ours, peer) => {
      if (peer === null || !/max-age=\d+$/.test(peer)) return false;
      return ours === null || peer.startsWith(`${ours}, `) || peer === "max-age=259200";
    }),
  },
  {
    name: "Connection is each proxy's own",
    section: "RFC 9110 §7.6.1",
    because:
      "It speaks of one hop, and so is written anew on each: squid says keep-alive, which 1.1 does not need.",
    own: true,
    explains: ({ what, ours, peer }) =>
      /^(?:origin|client) field connection$/.test(what) &&
      /^(?:close|TE|keep-alive)?$/.test(ours ?? "") &&
      /^(?:close|keep-alive)?$/.test(peer ?? ""),
  },
  {
    name: "framing is each proxy's own",
    section: "RFC 9112 §6.1",
    because:
      "A transfer coding is undone and done anew on each hop; the bodies are compared. Squid gives short bodies a length.",
    own: true,
    explains: ({ what, ours, peer }) => {
      if (/^(?:origin|client) field transfer-encoding$/.test(what))
        return (ours === "chunked" && peer === null) || (ours === null && peer === "chunked");
      return what === "origin field content-length" && ours === null && /^\d+$/.test(peer ?? "");
    },
  },
  {
    name: "TE: trailers is kept, as ours passes trailers on",
    section: "RFC 9110 §10.1.4",
    because: "A proxy that can pass trailers on says so to the next hop; squid cannot, and leaves TE out.",
    explains: field("origin", "te", (ours, peer) => ours === "trailers" && peer === null),
  },
  {
    name: "squid drops trailers",
    section: "RFC 9110 §6.5.1",
    because: "An intermediary may discard trailers; ours passes on those that may be.",
    explains: ({ what, ours, peer }) =>
      (/^(?:origin|client) trailers$/.test(what) && ours === "x-t: 1" && peer === "") ||
      (what === "origin field trailer" && ours !== null && peer === null),
  },
  {
    name: "squid writes reasons of its own",
    section: "RFC 9112 §4",
    because: "A reason phrase means nothing, and a recipient should ignore it; ours passes on what came.",
    explains: ({ what, ours, peer }) =>
      what === "client start line" && reason.exec(ours ?? "")?.[1] === reason.exec(peer ?? "")?.[1],
  },
  {
    name: "squid takes Max-Forwards out",
    section: "RFC 9110 §7.6.2",
    because: "It counts for TRACE and OPTIONS alone; for others a recipient may ignore it.",
    explains: ({ what, ours }, { method }) =>
      what === "origin field max-forwards" && ours !== null && method !== "OPTIONS",
  },
  {
    name: "squid takes Range out of what it may cache",
    section: "RFC 9110 §14.2",
    because: "A recipient may ignore Range; ours has no cache to fill and leaves it.",
    explains: field("origin", "range", (ours, peer) => ours !== null && peer === null),
  },
  {
    name: "squid keeps one of several alike",
    section: "RFC 9110 §5.3",
    because: "A sender must not send such a field twice; squid mends that, ours passes on what it got.",
    explains: ({ what, ours, peer }) =>
      /^origin field (?:if-modified-since|range|authorization|user-agent|referer|content-type)$/.test(what) &&
      peer !== null &&
      (ours ?? "").split(`${peer}, `).length > 1,
  },
  {
    name: "squid writes several alike as one",
    section: "RFC 9111 §5.2",
    because: "Cache-Control is a list of directives, and one that is there twice says no more than once.",
    explains: field("origin", "cache-control", (ours, peer) => {
      const said = new Set((ours ?? "").split(", "));
      return said.size === 1 && said.has((peer ?? "").replace(/(?:, )?max-age=\d+$/, ""));
    }),
  },
  {
    name: "the moment of an answer without Date",
    section: "RFC 9110 §6.6.1",
    because: "A proxy adds the Date at which it got the answer; the two got theirs one after the other.",
    own: true,
    explains: ({ what, ours, peer }, { answer }) =>
      what === "client field date" &&
      !/^Date:/m.test(answer) &&
      Math.abs(Date.parse(ours ?? "") - Date.parse(peer ?? "")) < 10_000,
  },
  {
    name: "OPTIONS * is ours alone",
    section: "RFC 9112 §3.2.4",
    because: "The last proxy must send * for an address without path and query; squid 5 sends /.",
    explains: ({ what, ours, peer }) =>
      what === "origin start line" && ours === "OPTIONS * HTTP/1.1" && peer === "OPTIONS / HTTP/1.1",
  },
  {
    name: "user information is refused",
    section: "RFC 9110 §4.2.4",
    because: "A recipient should treat it as an error; squid makes credentials of it.",
    explains: (difference, { url }) => oursRefuses(difference, url.includes("user@@")),
  },
  {
    name: "a fragment is refused",
    section: "RFC 9112 §3.2",
    because: "No form of the target has one; squid sends it on.",
    explains: (difference, { url }) => oursRefuses(difference, url.includes("#part")),
  },
  {
    name: "a second Host is refused",
    section: "RFC 9112 §3.2",
    because: "It must be answered 400; squid keeps the target's.",
    explains: (difference, exchange) => oursRefuses(difference, has(exchange, /^Host: second/)),
  },
  {
    name: "what cannot be framed or read is refused as the client's fault",
    section: "RFC 9112 §6.3",
    because:
      "Both refuse, or squid mends what the standard lets it mend; ours answers 4xx where squid says 5xx.",
    explains: (difference, exchange) =>
      oursRefuses(
        difference,
        has(
          exchange,
          /^(?:X-Folded|X-Nul|No colon|: no name|X\[bad\]|X-Bad |Transfer-Encoding: |Content-Length: )/,
        ),
      ),
  },
  {
    name: "squid answers an unknown coding 501",
    section: "RFC 9112 §6.1",
    because: "501 should be the answer to a coding that is not known, 400 to one whose end is in doubt.",
    explains: ({ what, ours, peer }, exchange) =>
      what === "outcome" &&
      has(exchange, /^Transfer-Encoding: /) &&
      /^refused/.test(ours ?? "") &&
      /^(?:refused|sent on|closed)/.test(peer ?? ""),
  },
  {
    name: "squid waits for a body that no length ends",
    section: "RFC 9112 §6.3",
    because:
      "A length beside a coding is faulty; ours refuses at once, squid takes the coding and waits for chunks.",
    explains: ({ what, ours, peer }, exchange) =>
      what === "broken" &&
      ours === null &&
      peer === "It took too long." &&
      has(exchange, /Transfer-Encoding: chunked/),
  },
];
