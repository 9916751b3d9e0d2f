import { randomBytes } from "node:crypto";
import type { CredentialVerifier } from "../credential.ts";

const STRANGERS = 8;

/** The gateway would carry traffic for anybody. The message is for people: what is open, and what to do. */
export class OpenProxyError extends Error {
  override readonly name = "OpenProxyError";
}

/**
 * Makes sure that a gateway lets no stranger in before it listens where strangers can reach it: logins that nobody was
 * given, no login at all, and addresses that nobody listed have to be refused, and no address list may be so wide that
 * it lists strangers.
 *
 * @param host where the gateway is to listen; on loopback nobody from outside can reach it
 * @throws OpenProxyError
 */
export async function refuseOpenProxy(host: string, verifier: CredentialVerifier): Promise<void> {
  if (isLoopback(host)) return;
  for (let count = 0; count < STRANGERS; count++) {
    const client = count % 2 === 0 ? randomIPv4() : randomIPv6();
    const username = `atl_${randomBytes(4).toString("hex")}`;
    const answers = await Promise.all([
      verifier.verify(username, randomBytes(16).toString("hex"), client),
      verifier.verify(username, "", client),
      verifier.byAddress?.(client),
    ]);
    if (answers.some((credential) => credential !== undefined)) {
      throw new OpenProxyError(
        `The gateway would let strangers in, and does not listen on ${host}. Turn authentication on, or listen on 127.0.0.1.`,
      );
    }
  }
  const [opening] = (await verifier.openings?.()) ?? [];
  if (opening !== undefined) {
    throw new OpenProxyError(
      `An address list lets strangers in, and the gateway does not listen on ${host}. ${opening} Correct the list.`,
    );
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function randomIPv4(): string {
  const [a = 0, b = 0, c = 0] = randomBytes(3);
  // 64 to 95: all of it public but 100.64.0.0/10 in another block.
  return `${64 + (a % 32)}.${b}.${c}.1`;
}

function randomIPv6(): string {
  return `2a0${randomBytes(1).readUInt8() % 10}:${randomBytes(2).toString("hex")}::1`;
}
