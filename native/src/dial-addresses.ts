import { isIPv6, type Socket } from "node:net";
import { ATTEMPT_DELAY_MS, abandoned, type DialOptions, dialDirect } from "./dial-direct.ts";
import { DialError, dialErrorOf } from "./dial-error.ts";

type Options = Omit<DialOptions, "host" | "lookup">;

/**
 * Opens a TCP connection to the first of these addresses that answers: they start one after the other, families in
 * turn, and race from then on (RFC 8305 §5). Nothing else is ever dialled, whatever a name says by now.
 * @throws DialError; what the last of them failed with
 */
export function dialAddresses(addresses: readonly string[], options: Options): Promise<Socket> {
  const [only, ...others] = addresses;
  if (only === undefined) return Promise.reject(new DialError("dns_error"));
  return others.length === 0 ? dialOne(only, options) : race(inTurn(addresses), options);
}

function race(addresses: readonly string[], options: Options): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const losers = new AbortController();
    let next = 0;
    let running = 0;
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const abort = () => finish(() => reject(abandoned()));
    if (options.signal?.aborted) return abort();
    options.signal?.addEventListener("abort", abort, { once: true });

    function finish(settle: () => void): void {
      if (over) return;
      over = true;
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
      settle();
      losers.abort();
    }
    function start(): void {
      clearTimeout(timer);
      const address = addresses[next];
      if (address === undefined || over) return;
      next += 1;
      running += 1;
      timer = setTimeout(start, ATTEMPT_DELAY_MS);
      dialOne(address, { ...options, signal: losers.signal }).then(won, lost);
    }
    function won(socket: Socket): void {
      if (over) socket.destroy();
      else finish(() => resolve(socket));
    }
    function lost(error: unknown): void {
      running -= 1;
      if (next < addresses.length) start();
      else if (running === 0) finish(() => reject(dialErrorOf(error)));
    }
    start();
  });
}

/** RFC 8305 §4: the families take turns, each in the order given, beginning with the first address's. */
function inTurn(addresses: readonly string[]): readonly string[] {
  const first = isIPv6(addresses[0] ?? "");
  const own = addresses.filter((one) => isIPv6(one) === first);
  const other = addresses.filter((one) => isIPv6(one) !== first);
  if (other.length === 0) return addresses;
  const turns = Array.from({ length: Math.max(own.length, other.length) }, (_, at) => [own[at], other[at]]);
  return turns.flat().filter((one) => one !== undefined);
}

const FIRST_PORT = 16_384;
const PORT_TRIES = 16;
const nextPort = new Map<string, number>();

/**
 * The system searches long for a free port once an address has thousands of closed connections that linger
 * (TIME_WAIT): it was a third of a tunnel's whole cost. Counting up finds one at once.
 */
async function dialOne(host: string, options: Options): Promise<Socket> {
  const { localAddress } = options;
  if (localAddress === undefined) return dialDirect({ ...options, host });
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const localPort = nextPort.get(localAddress) ?? FIRST_PORT;
    nextPort.set(localAddress, localPort === 65_535 ? FIRST_PORT : localPort + 1);
    try {
      return await dialDirect({ ...options, host, localPort });
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
  return dialDirect({ ...options, host });
}

function isTaken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "EADDRINUSE" || code === "EADDRNOTAVAIL";
}
