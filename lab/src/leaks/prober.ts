import { join } from "node:path";
import { z } from "zod";
import { NamespaceProcess } from "../net/namespace-process.ts";

/** One packet, or the beginning of one flow, as the prober in a namespace is to send it. */
export interface Probe {
  /** Source port or echo identifier: what is seen outside is named by it. */
  readonly tag: number;
  readonly family: 4 | 6;
  readonly protocol: "tcp" | "udp" | "icmp" | "raw";
  /** 0 for ICMP. */
  readonly port: number;
  readonly to: string;
  readonly mark?: number;
  /** The user whose socket it is, of TCP and UDP that root sends; default root. */
  readonly user?: number;
  /** An address to send a datagram from, an IPv6 one of `device`; default what routing chooses. */
  readonly source?: string;
  /** SO_BINDTODEVICE. */
  readonly device?: string;
  /** For a raw frame: how it is dressed. It carries UDP. */
  readonly raw?: RawFrame;
}

export interface RawFrame {
  readonly link: string;
  readonly source: string;
  readonly sourceMac: string;
  readonly destinationMac: string;
  /** 802.1Q tags, outermost first. */
  readonly vlans: readonly number[];
  /** The user whose socket it is; default root. */
  readonly user?: number;
  /** Past the queueing discipline (PACKET_QDISC_BYPASS). */
  readonly bypass: boolean;
}

export interface Icmp6 {
  readonly link: string;
  readonly source?: string;
  readonly to: string;
  readonly type: number;
  /** What follows type, code and checksum. */
  readonly body: Buffer;
}

const outcomesSchema = z.object({
  outcomes: z.array(z.object({ tag: z.number(), error: z.string().nullable() })),
});
/** Errors by tag; null for none. */
type Outcomes = ReadonlyMap<number, string | null>;

const exchangeSchema = z.object({ error: z.string().nullable(), ms: z.number() });
const seenSchema = z.object({
  tags: z.array(z.number()),
  /** Connections: where they were going, the port they were accepted at, and the one they came from. */
  redirected: z.array(z.object({ address: z.string(), port: z.number(), at: z.number(), from: z.number() })),
  received: z.array(z.object({ what: z.string(), from: z.string(), first: z.number() })),
});
const answerSchema = z.looseObject({ id: z.number(), failure: z.string().optional() });
type Answer = z.infer<typeof answerSchema>;

/** Debian's own: another one first on the PATH may be a slow wrapper, or closed to other users. */
const PYTHON = "/usr/bin/python3";

/** How long a probe waits for what refuses it, before its socket is closed. */
const REST_MS = 20;

/** The program in a namespace that sends probes and answers them; see prober.py. */
export class Prober {
  readonly #process: NamespaceProcess;
  #requests = 0;
  #linesRead = 0;
  readonly #answers = new Map<number, Answer>();

  private constructor(process: NamespaceProcess) {
    this.#process = process;
  }

  /** @param user the id it runs as, without any capability; default root. */
  static async start(namespace: string, user?: number): Promise<Prober> {
    const program = join(import.meta.dirname, "prober.py");
    const argv = [PYTHON, "-B", program, ...(user === undefined ? [] : [String(user)])];
    const process = new NamespaceProcess(namespace, argv, { input: true });
    await process.until(() => process.lines.includes("ready"), "ready");
    return new Prober(process);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Sends probes, and returns by tag what the sockets said at once; null where they said nothing. */
  async send(probes: readonly Probe[], restMs = REST_MS): Promise<Outcomes> {
    return outcomesOf(await this.#ask({ op: "send", probes, restMs }));
  }

  /** Sends one probe and waits for its echo; with `hold` the flow stays open, for `resume`. */
  async exchange(probe: Probe, timeoutMs: number, hold = false): Promise<z.infer<typeof exchangeSchema>> {
    return exchangeSchema.parse(await this.#ask({ op: "exchange", probe, timeoutMs, hold }));
  }

  /** Opens flows, each with an answered exchange, and keeps them. Returns by tag why one was not answered. */
  async hold(probes: readonly Probe[], timeoutMs: number): Promise<Outcomes> {
    return outcomesOf(await this.#ask({ op: "hold", probes, timeoutMs }));
  }

  /** Sends once more on every flow that is held. */
  async resume(): Promise<Outcomes> {
    return outcomesOf(await this.#ask({ op: "resume" }));
  }

  /** What the TCP flows that are held ended with, by tag; null for those that did not end in time. */
  async fate(timeoutMs: number): Promise<Outcomes> {
    return outcomesOf(await this.#ask({ op: "fate", timeoutMs }));
  }

  /** Sends ICMPv6 from a link, as the kernel does for neighbour and router discovery. */
  async icmp6(packet: Icmp6): Promise<void> {
    await this.#ask({ op: "icmp6", ...packet, hex: packet.body.toString("hex") });
  }

  /** Tells `sender`, as a router, that what it sent from TCP port `tag` was too big for the path (ICMP, ICMPv6). */
  async tooBig(about: {
    readonly family: 4 | 6;
    readonly router: string;
    readonly sender: string;
    readonly target: string;
    readonly tag: number;
    readonly port: number;
    /** Of the first byte that was sent. */
    readonly sequence: number;
    readonly mtu: number;
  }): Promise<void> {
    await this.#ask({ op: "tooBig", ...about });
  }

  /** Closes the flows that are held. */
  async drop(): Promise<void> {
    await this.#ask({ op: "drop" });
  }

  /** The path MTU that the kernel believes in for a held flow. */
  async pathMtu(tag: number): Promise<number> {
    return z.object({ mtu: z.number() }).parse(await this.#ask({ op: "pathMtu", tag })).mtu;
  }

  /** The sequence number of what a held TCP flow sends next. */
  async sequence(tag: number): Promise<number> {
    return z.object({ sequence: z.number() }).parse(await this.#ask({ op: "sequence", tag })).sequence;
  }

  /** Sends a whole frame. */
  async frame(link: string, bytes: Buffer): Promise<void> {
    await this.#ask({ op: "frame", link, hex: bytes.toString("hex") });
  }

  /** Echoes TCP and UDP on ports, on every address. */
  async serve(ports: readonly number[]): Promise<void> {
    await this.#ask({ op: "serve", ports });
  }

  /** Makes the tunnel's device and reads what comes out of it. Returns its index. */
  async tun(name: string): Promise<number> {
    return z.object({ index: z.number() }).parse(await this.#ask({ op: "tun", name })).index;
  }

  /** Takes the device away. */
  async untun(): Promise<void> {
    await this.#ask({ op: "untun" });
  }

  /** Writes a UDP packet into the device, as the far end of the tunnel would: from port `port` to port `tag`. */
  async intoTun(packet: {
    readonly family: 4 | 6;
    readonly from: string;
    readonly to: string;
    readonly port: number;
    readonly tag: number;
  }): Promise<void> {
    await this.#ask({ op: "intoTun", ...packet });
  }

  /** Starts to receive UDP on a port, or ICMPv6 of every type ("icmp6"); `seen` tells what came. */
  async receive(what: string, family: 4 | 6, port = 0): Promise<void> {
    await this.#ask({ op: "receive", what, family, port });
  }

  /** What came out of the device (tags), was accepted (where it was going) and was received since the last call. */
  async seen(): Promise<z.infer<typeof seenSchema>> {
    return seenSchema.parse(await this.#ask({ op: "seen" }));
  }

  async #ask(request: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#requests += 1;
    const id = this.#requests;
    this.#process.write(`${JSON.stringify({ id, ...request })}\n`);
    let answer: Answer | undefined;
    await this.#process.until(() => {
      answer = this.#answerTo(id);
      return answer !== undefined;
    }, `answering "${request.op}"`);
    if (answer?.failure !== undefined)
      throw new Error(`The prober could not ${request.op}: ${answer.failure}`);
    return answer;
  }

  #answerTo(id: number): Answer | undefined {
    const { lines } = this.#process;
    for (; this.#linesRead < lines.length; this.#linesRead++) {
      const line = lines[this.#linesRead];
      if (line === undefined || line === "ready") continue;
      const answer = answerSchema.parse(JSON.parse(line));
      this.#answers.set(answer.id, answer);
    }
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    return answer;
  }
}

function outcomesOf(answer: unknown): Outcomes {
  const { outcomes } = outcomesSchema.parse(answer);
  return new Map(outcomes.map(({ tag, error }) => [tag, error]));
}
