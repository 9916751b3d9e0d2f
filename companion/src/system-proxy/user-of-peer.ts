import { readFile } from "node:fs/promises";
import { isIPv4, type Socket } from "node:net";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

/** Both ends of a connection, as the accepting side sees it. */
type Ends = Pick<Socket, "remoteAddress" | "remotePort" | "localAddress" | "localPort">;

/**
 * The user whose program holds the other end of a connection within this machine (proc_net_tcp(5)).
 * @returns the user id; undefined where the kernel does not say, as on a connection that has ended
 */
export async function userOfPeer(ends: Ends): Promise<number | undefined> {
  const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = ends;
  const peers = spellings(remoteAddress, remotePort);
  const owns = spellings(localAddress, localPort);
  for (const table of TABLES) {
    const text = await readFile(table, "utf8").catch(() => "");
    for (const [at, peer] of peers.entries()) {
      // From the peer's side: it is local there, and we are remote.
      const found = text.indexOf(`: ${peer} ${owns[at]} `);
      if (found >= 0) return userIn(text.slice(found, text.indexOf("\n", found)));
    }
  }
  return undefined;
}

/** The columns behind `sl:` are addresses, state, queues, timer, retransmits, uid. */
function userIn(line: string): number {
  return Number(line.trim().split(/\s+/)[7]);
}

/** IPv4 also as a socket of both families writes it. */
function spellings(address: string, port: number): string[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  if (!isIPv4(address)) return [words(bytesOf6(address)) + end];
  const bytes = address.split(".").map(Number);
  const mapped = [...Array<number>(10).fill(0), 255, 255, ...bytes];
  return [words(bytes) + end, words(mapped) + end];
}

/** Four bytes at a time, as a number of this machine's. */
function words(bytes: readonly number[]): string {
  const { buffer } = Uint8Array.from(bytes);
  return [...new Uint32Array(buffer)]
    .map((word) => word.toString(16).toUpperCase().padStart(8, "0"))
    .join("");
}

function bytesOf6(address: string): number[] {
  const [head = "", tail] = (address.split("%", 1)[0] ?? "").split("::", 2);
  const groups = (text: string | undefined) =>
    text ? text.split(":").map((one) => Number.parseInt(one, 16)) : [];
  const [front, back] = [groups(head), groups(tail)];
  const middle = Array<number>(8 - front.length - back.length).fill(0);
  return [...front, ...middle, ...back].flatMap((group) => [group >> 8, group & 255]);
}
