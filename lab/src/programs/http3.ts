import { createHash, X509Certificate } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { addresses } from "../leaks/machine.ts";
import { type QuicSession, quicSessions } from "./net-log.ts";
import { expectHidden, expectSame, type Program, type ProgramPlace, siteSaw, sites } from "./program.ts";

const { pages } = sites;
const PORT = 443;
/** Where the site offers HTTP/3 (site.ts), and what is there over HTTP/3; over TCP the site says whom it saw. */
const PATH = "h3";
const OVER_HTTP3 = "This page came over HTTP/3.";

/** net::ERR_CONNECTION_REFUSED, which ICMP alone makes of UDP: heard when it reads, or when it writes once more. */
const REFUSED = /ERR_CONNECTION_REFUSED|error: -102\b/;

/** The QUIC server, of ngtcp2. */
export const quicServer = "/usr/sbin/gtlsserver";

const pageLoadSchema = z.object({
  /** As ALPN names it. */
  protocol: z.string(),
  /** From the beginning of the navigation to the last byte of the page. */
  ms: z.number(),
  body: z.string(),
});
export type PageLoad = z.infer<typeof pageLoadSchema>;

/**
 * Chromium, which learns without the product that a site speaks HTTP/3 (Alt-Svc, RFC 7838) and uses it; started again
 * behind the tunnel with what it knows, it tries QUIC first, and must fall back.
 * @param rounds how often that is timed, each time in a browser that knows no better
 */
export function http3(rounds: number): Program {
  return {
    name: "Chromium, which speaks HTTP/3 and falls back",
    targets: [`${pages.name}:${PORT}`],
    serve,
    directly: learn,
    async use(place) {
      const [refused, without]: [Fallback[], Fallback[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        refused.push(await fallBack(place, `tries-${round}`));
        without.push(await fallBack(place, `off-${round}`, "--disable-quic"));
      }
      const sessions = refused.flatMap((each) => each.sessions);
      if (sessions.length < rounds)
        throw new Error(`Only ${sessions.length} of ${rounds} browsers tried QUIC.`);
      for (const { initials, ended } of sessions) {
        if (ended === null || !REFUSED.test(ended)) throw new Error(`QUIC was not refused: ${ended}.`);
        if (initials === 0) throw new Error("QUIC was refused before anything was sent.");
      }
      expectSame("QUIC of browsers that have it off", without.flatMap((each) => each.sessions).length, 0);
      const initials = sessions.reduce((sum, session) => sum + session.initials, 0);
      const longest = Math.max(...sessions.map(({ lastedMs }) => lastedMs ?? Number.NaN));
      const [tried, off] = [refused, without].map((all) => median(all.map(({ ms }) => ms)).toFixed(0));
      return `${initials} QUIC Initials refused by ICMP, given up within ${longest} ms; the page by HTTP/2 in ${tried} ms, with QUIC off in ${off} ms`;
    },
  };
}

async function serve({ folder, outside, certificate, key }: ProgramPlace): Promise<void> {
  const documents = join(folder, "http3");
  mkdirSync(documents);
  writeFileSync(join(documents, PATH), OVER_HTTP3);
  const argv = [quicServer, "--quiet", "-d", documents, pages.address, String(PORT), key, certificate];
  await outside(argv).receiving(PORT);
}

/** The control: the page comes over HTTP/3, to a browser that keeps that in mind. */
async function learn(place: ProgramPlace): Promise<void> {
  // Nobody answers the machine's questions yet.
  const resolved = `--host-resolver-rules=MAP ${pages.name} ${pages.address},MAP * ~NOTFOUND`;
  const { loads } = await browse(place, "learned", 10, resolved);
  const [first, last] = [loads[0], loads.at(-1)];
  expectSame("The protocol of the page that offers HTTP/3", first?.protocol, "h2");
  expectSame(
    "Whom the site saw without the product",
    siteSaw(first?.body ?? "").address,
    addresses.machine[4],
  );
  expectSame("The protocol without the product", last?.protocol, "h3");
  expectSame("The page without the product", last?.body, OVER_HTTP3);
}

interface Fallback {
  readonly sessions: readonly QuicSession[];
  readonly ms: number;
}

/** Loads the page once, in a browser that has just learned of HTTP/3 and has no connection. */
async function fallBack(
  place: ProgramPlace,
  profile: string,
  ...switches: readonly string[]
): Promise<Fallback> {
  // Once refused, Chromium does not try QUIC again for minutes: what it finds out stays in the copy.
  cpSync(profileOf(place, "learned"), profileOf(place, profile), { recursive: true });
  const others = `--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE ${pages.name}`;
  const { loads, sessions } = await browse(place, profile, 1, others, ...switches);
  const [page] = loads;
  if (page === undefined) throw new Error("Chromium loaded no page.");
  expectSame("The protocol through the tunnel", page.protocol, "h2");
  expectHidden(page.body, pages.name);
  return { sessions, ms: page.ms };
}

/** Loads the page until it comes over HTTP/3, and at most so often. */
async function browse(
  place: ProgramPlace,
  profile: string,
  times: number,
  ...switches: readonly string[]
): Promise<{ loads: PageLoad[]; sessions: QuicSession[] }> {
  const { publicKey } = new X509Certificate(readFileSync(place.certificate));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const log = join(place.folder, `${profile}.netlog`);
  const program = join(import.meta.dirname, "http3-client-program.ts");
  const url = `https://${pages.name}/${PATH}`;
  const printed = await place.onMachine([
    ...[process.execPath, program, profileOf(place, profile), url, String(times)],
    `--log-net-log=${log}`,
    `--ignore-certificate-errors-spki-list=${createHash("sha256").update(spki).digest("base64")}`,
    // Over QUIC Chromium trusts public authorities alone, but for hosts that are named here, on whatever port. On
    // port 443 nothing is forced: what is forced to QUIC does not fall back.
    `--origin-to-force-quic-on=${pages.name}:1`,
    ...switches,
  ]);
  const lines = printed.split("\n").filter((line) => line !== "");
  return {
    loads: lines.map((line) => pageLoadSchema.parse(JSON.parse(line))),
    sessions: quicSessions(readFileSync(log, "utf8"), pages.name),
  };
}

function profileOf({ folder }: ProgramPlace, name: string): string {
  return join(folder, `chromium-${name}`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
