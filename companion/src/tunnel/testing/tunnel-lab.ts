import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MARK } from "../../firewall/policy.ts";
import type { TunnelUpstream } from "../tunnel.ts";
import { addresses, Namespaces, type PlacedProgram } from "./namespaces.ts";

export interface TunnelSettings {
  readonly split?: unknown;
  /** Names by their fake addresses. */
  readonly names?: Readonly<Record<string, string>>;
  readonly allowLan?: boolean;
  readonly holdMs?: number;
}

/** A client with a tunnel, its upstream, and the sites behind it. */
export class TunnelLab {
  readonly namespaces = new Namespaces();
  readonly upstream: PlacedProgram;
  readonly origin: PlacedProgram;
  tunnel: PlacedProgram | undefined;
  /** Ports of the sites and of the proxy. */
  ports = { http: 0, http2: 0, banner: 0, resets: 0, udp: 0, socks5: 0, connect: 0, tls: 0, h2: 0 };
  /** Of the proxy, for `upstream.test`. */
  readonly certificate: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "atlantic-tunnel-"));
  #orders = 0;

  constructor() {
    this.upstream = this.namespaces.start("upstream", "upstream-program.ts", [makeCertificate(this.#folder)]);
    this.certificate = readFileSync(join(this.#folder, "own.pem"), "utf8");
    this.origin = this.namespaces.start("origin", "origin-program.ts");
  }

  static async start(): Promise<TunnelLab> {
    const lab = new TunnelLab();
    try {
      const sites = await lab.origin.hears("its ports", (said) => "http" in said);
      const proxies = await lab.upstream.hears("its ports", (said) => "socks5" in said);
      lab.ports = { ...lab.ports, ...sites, ...proxies };
      return lab;
    } catch (error) {
      await lab.remove();
      throw error;
    }
  }

  /** The proxy, spoken to in one of its ways. */
  through(protocol: "socks5" | "connect", more: Partial<TunnelUpstream> = {}): TunnelUpstream {
    return {
      name: protocol,
      protocol,
      tls: false,
      host: addresses.upstream.v4,
      addresses: [addresses.upstream.v4],
      port: this.ports[protocol],
      udp: false,
      ...more,
    };
  }

  /** Starts a tunnel; not led into yet. */
  async open({ split = null, names = {}, ...more }: TunnelSettings = {}): Promise<PlacedProgram> {
    const settings = { mark: MARK, split, names, ...more };
    const tunnel = this.namespaces.start("client", "tunnel-program.ts", [JSON.stringify(settings)]);
    this.tunnel = tunnel;
    await tunnel.hears("that it is open", (said) => said.open === true);
    return tunnel;
  }

  /** Gives the tunnel an order and waits until it is obeyed. */
  async order(order: object): Promise<Record<string, unknown>> {
    const id = ++this.#orders;
    if (!this.tunnel) throw new Error("There is no tunnel.");
    this.tunnel.tell({ id, ...order });
    const answer = await this.tunnel.hears(`that order ${id} is done`, (said) => said.done === id);
    if (answer.error !== undefined) throw new Error(String(answer.error));
    return answer;
  }

  /** What `curl` prints in the client's namespace. */
  async curl(...argv: string[]): Promise<string> {
    const common = ["-sS", "--max-time", "60", "--connect-timeout", "30"];
    const { code, stdout, stderr } = await this.namespaces.run("client", ["curl", ...common, ...argv]);
    if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Starts an application in the client's namespace: see client-program.ts. */
  begin(what: string, host: string, port: number, more = ""): PlacedProgram {
    return this.namespaces.start("client", "client-program.ts", [what, host, String(port), more]);
  }

  /** What such an application says first. */
  application(what: string, host: string, port: number, more = ""): Promise<Record<string, unknown>> {
    return this.begin(what, host, port, more).hears("how it went", () => true);
  }

  async remove(): Promise<void> {
    await this.namespaces.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Key and certificate of the proxy in one file. @returns its path */
function makeCertificate(folder: string): string {
  const path = join(folder, "own.pem");
  const name = ["-subj", "/CN=upstream.test", "-addext", "subjectAltName=DNS:upstream.test"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...name, "-keyout", path, "-out", `${path}.crt`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  writeFileSync(path, readFileSync(path, "utf8") + readFileSync(`${path}.crt`, "utf8"));
  return path;
}
