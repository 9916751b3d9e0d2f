import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROXY_CORE } from "../measure/pinned.ts";
import { anyAddress } from "./any-address.ts";
import { freePort, startPinned } from "./pinned-process.ts";

/** A name server under measurement, on 127.0.0.1. */
export interface NameServer {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  close(): Promise<void>;
}

/** A server of plain DNS that knows every name, for those that cannot ask over HTTPS. */
export async function openAuthority(): Promise<{ readonly port: number } & AsyncDisposable> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => socket.send(anyAddress(query), port, address));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  return {
    port,
    async [Symbol.asyncDispose]() {
      socket.close();
    },
  };
}

/** Our resolver, with these names on its list. */
export async function startOurResolver(folder: string, names: readonly string[]): Promise<NameServer> {
  const list = join(folder, "ours.txt");
  writeFileSync(list, names.map((name) => `||${name}^\n`).join(""));
  const program = join(import.meta.dirname, "resolver-program.ts");
  return start("ours", (port) => [process.execPath, program, `${port}`, list]);
}

/** The same of dnsmasq, which asks the authority for all others. */
export async function startDnsmasq(
  folder: string,
  names: readonly string[],
  authority: number,
): Promise<NameServer> {
  const file = join(folder, "dnsmasq.conf");
  const list = names.map((name) => `local=/${name}/`).join("\n");
  return start("dnsmasq", (port) => {
    const lines = ["no-resolv", "no-hosts", "bind-interfaces", "listen-address=127.0.0.1", `port=${port}`];
    const asked = [`server=127.0.0.1#${authority}`, "cache-size=10000", list];
    writeFileSync(file, `${[...lines, ...asked].join("\n")}\n`);
    return ["dnsmasq", "--keep-in-foreground", `--conf-file=${file}`, "--user=root"];
  });
}

/** The same of unbound. */
export async function startUnbound(
  folder: string,
  names: readonly string[],
  authority: number,
): Promise<NameServer> {
  const file = join(folder, "unbound.conf");
  return start("unbound", (port) => {
    const zones = names.map((name) => ` local-zone: "${name}" always_nxdomain`).join("\n");
    const server = ["server:", " interface: 127.0.0.1", ` port: ${port}`, ' username: ""', ' chroot: ""'];
    const quiet = [" use-syslog: no", " do-daemonize: no", ' pidfile: ""', " do-not-query-localhost: no"];
    const plain = [' module-config: "iterator"', " num-threads: 1", zones];
    const forward = ["forward-zone:", ' name: "."', ` forward-addr: 127.0.0.1@${authority}`];
    const control = ["remote-control:", " control-enable: no"];
    writeFileSync(file, `${[...server, ...quiet, ...plain, ...forward, ...control].join("\n")}\n`);
    return ["unbound", "-d", "-c", file];
  });
}

async function start(name: string, argvFor: (port: number) => [string, ...string[]]): Promise<NameServer> {
  const port = await freePort();
  const { pid, close } = await startPinned(PROXY_CORE, argvFor(port), port);
  return { name, pid, port, close };
}
