import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MARK } from "@atlantic/companion/src/firewall/policy.ts";
import {
  addresses,
  Namespaces,
  type PlacedProgram,
} from "@atlantic/companion/src/tunnel/testing/namespaces.ts";
import { z } from "zod";
import { bulkSchema, timedSchema } from "../load/load.ts";
import { danteConfiguration } from "./dante.ts";
import { haproxyDefaults } from "./haproxy.ts";

/** `perSecond`: how many were done in each second of the run. */
const connectionsSchema = timedSchema.extend({ count: z.int().positive(), perSecond: z.array(z.int()) });
export type ConnectionRun = z.infer<typeof connectionsSchema>;
const portSchema = z.object({ port: z.int() });

/** A relay in the client's namespace, or the tunnel; and how an application gets to the site through it. */
export interface Relay {
  readonly name: string;
  /** Its process; null: there is none on this way. */
  readonly pid: number | null;
  /** As the load takes it: mark, SOCKS5 proxy, targets. */
  readonly way: string;
}

/** The site has several addresses: one pair of addresses has too few ports for 100,000 connections. */
const SITE_ADDRESSES = Array.from({ length: 8 }, (_, at) => `10.61.2.${100 + at}`);

/** Application and relay, upstream, site: three namespaces joined by veth. */
export class TunnelField {
  readonly #namespaces = new Namespaces();
  readonly #folder = mkdtempSync(join(tmpdir(), "atlantic-bench-"));
  readonly #load: string;
  #site: PlacedProgram | undefined;
  #sink: PlacedProgram | undefined;
  #tunnel: PlacedProgram | undefined;
  #sitePort = 0;
  #upstreamPort = 0;
  #orders = 0;

  private constructor(load: string) {
    this.#load = load;
  }

  static async start(load: string): Promise<TunnelField> {
    const field = new TunnelField(load);
    try {
      await field.#start();
      return field;
    } catch (error) {
      await field.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const lines = [
      ...SITE_ADDRESSES.map((address) => ["origin", `ip addr add ${address}/24 dev eth0`] as const),
      ["upstream", "sysctl -qw net.ipv4.ip_forward=1"] as const,
      ...(["client", "upstream", "origin"] as const).map(
        (place) => [place, "sysctl -qw net.ipv4.ip_local_port_range=1024\\ 65535"] as const,
      ),
    ];
    for (const [place, line] of lines) await this.#must(place, ["sh", "-c", line]);
    this.#site = this.#namespaces.place("origin", [this.#load, "origin"]);
    this.#sitePort = portSchema.parse(await this.#site.hears("its port", () => true)).port;
    const upstream = this.#namespaces.start("upstream", program("tunnel-upstream-program.ts"));
    this.#upstreamPort = portSchema.parse(await upstream.hears("its port", () => true)).port;
    this.#tunnel = this.#namespaces.start("client", "tunnel-program.ts", [
      JSON.stringify({ mark: MARK, split: null, names: {} }),
    ]);
    await this.#tunnel.hears("that it is open", (said) => said.open === true);
    await this.#use("socks5 upstream", this.#upstreamPort, false);
    await this.#order({ routes: "up" });
  }

  /** Beside everything: the direct transfer. */
  direct(): Relay {
    return { name: "direct", pid: null, way: this.#way({ mark: MARK }) };
  }

  ours(): Relay {
    return { name: "ours", pid: this.#tunnel?.child.pid ?? null, way: this.#way({}) };
  }

  /** Node's own pipe: what JavaScript costs that decides nothing. */
  async nodePipe(): Promise<Relay> {
    const argv = [
      addresses.upstream.v4,
      String(this.#upstreamPort),
      SITE_ADDRESSES[0] ?? "",
      String(this.#sitePort),
    ];
    const started = this.#namespaces.start("client", program("tunnel-node-pipe-program.ts"), argv);
    const { port } = portSchema.parse(await started.hears("its port", () => true));
    return relayAt("node pipe", started, port);
  }

  /** haproxy as a bare TCP relay; it speaks no SOCKS5, so it goes to the site itself, over the same wires. */
  async haproxy(): Promise<Relay> {
    const path = join(this.#folder, "haproxy.cfg");
    const port = 7_001;
    const lines = [
      ...haproxyDefaults,
      "listen relay",
      "  mode tcp",
      "  option splice-auto",
      `  bind 127.0.0.1:${port}`,
      ...SITE_ADDRESSES.map((address, at) => `  server site${at} ${address}:${this.#sitePort}`),
    ];
    writeFileSync(path, `${lines.join("\n")}\n`);
    const started = this.#namespaces.place("client", ["haproxy", "-db", "-q", "-f", path]);
    await this.#listening(port);
    return relayAt("haproxy", started, port);
  }

  /** dante, asked for the site with SOCKS5. */
  async dante(): Promise<Relay> {
    const path = join(this.#folder, "danted.conf");
    const port = 7_002;
    writeFileSync(path, danteConfiguration(port, "eth0"));
    const started = this.#namespaces.place("client", ["danted", "-f", path]);
    await this.#listening(port);
    return {
      name: "dante",
      pid: started.child.pid ?? null,
      way: this.#way({ socks5: `127.0.0.1:${port}` }),
    };
  }

  async bulk({ way }: Relay, bytes: number, direction: "up" | "down", streams: number) {
    return bulkSchema.parse(await this.#run("bulk", way, bytes, direction, streams));
  }

  /** For so many seconds; or so many connections. @throws when one of them failed */
  async connections(
    { way }: Relay,
    most: { seconds?: number; count?: number; threads: number },
  ): Promise<ConnectionRun> {
    const { seconds = 0, count = 0, threads } = most;
    const run = connectionsSchema.parse(await this.#run("connections", way, seconds, threads, count));
    if (run.failures > 0) throw new Error(`${run.failures} connections failed: ${run.lastFailure}`);
    return run;
  }

  /** Datagrams from an application through the tunnel to a proxy that counts them; how many arrived in a second. */
  async datagrams(
    seconds: number,
    length: number,
    joined: number,
  ): Promise<{ sent: number; arrived: number }> {
    if (this.#sink === undefined) {
      this.#sink = this.#namespaces.place("upstream", [this.#load, "sink"]);
      const { port } = portSchema.parse(await this.#sink.hears("its port", () => true));
      await this.#use("sink", port, true);
    }
    const before = await this.#counted();
    const target = `${SITE_ADDRESSES[0]}:9`;
    const { sent, seconds: took } = z
      .object({ sent: z.int(), seconds: z.number() })
      .parse(await this.#run("datagrams", target, seconds, length, joined));
    // SOCKS5 puts ten bytes before each.
    const arrived = ((await this.#counted()) - before) / (length + 10);
    return { sent: sent / took, arrived: arrived / took };
  }

  /** Back to the upstream that carries TCP. */
  async useUpstream(): Promise<void> {
    await this.#use("socks5 upstream", this.#upstreamPort, false);
  }

  async close(): Promise<void> {
    await this.#namespaces.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #way({ mark = 0, socks5 = "-" }: { mark?: number; socks5?: string }): string {
    return `${mark}/${socks5}/${SITE_ADDRESSES.map((address) => `${address}:${this.#sitePort}`).join(",")}`;
  }

  async #counted(): Promise<number> {
    const sink = this.#sink;
    if (sink === undefined) throw new Error("There is no sink.");
    const from = sink.said.length;
    sink.child.stdin?.write("\n");
    return z.object({ bytes: z.int() }).parse(await sink.hears("how many bytes came", () => true, from))
      .bytes;
  }

  async #use(name: string, port: number, udp: boolean): Promise<void> {
    const { v4 } = addresses.upstream;
    await this.#order({
      use: { name, protocol: "socks5", tls: false, host: v4, addresses: [v4], port, udp },
    });
  }

  async #order(order: object): Promise<void> {
    const id = ++this.#orders;
    this.#tunnel?.tell({ id, ...order });
    const answer = await this.#tunnel?.hears("that it is done", (said) => said.done === id);
    if (answer?.error !== undefined) throw new Error(String(answer.error));
  }

  async #listening(port: number): Promise<void> {
    const waits = `for i in $(seq 200); do ss -Hltn "sport = :${port}" | grep -q . && exit 0; sleep 0.1; done; exit 1`;
    await this.#must("client", ["sh", "-c", waits]);
  }

  async #must(place: "client" | "upstream" | "origin", argv: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#namespaces.run(place, argv);
    if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}. ${stderr.trim()}`);
  }

  async #run(...argv: readonly (string | number)[]): Promise<unknown> {
    const all = [this.#load, ...argv.map(String)];
    const { code, stdout, stderr } = await this.#namespaces.run("client", all, { timeoutMs: 300_000 });
    if (code !== 0) throw new Error(`The load failed. ${stderr.trim().slice(-500)}`);
    return JSON.parse(stdout);
  }
}

function relayAt(name: string, { child }: PlacedProgram, port: number): Relay {
  return { name, pid: child.pid ?? null, way: `0/-/127.0.0.1:${port}` };
}

function program(name: string): string {
  return join(import.meta.dirname, name);
}
