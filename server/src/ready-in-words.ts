import type { RunningServer } from "./server.ts";

type Ready = Pick<RunningServer, "webUrl" | "gateway" | "gatewayTls" | "signInUrl">;

/**
 * What a server that nobody's program started says when it is ready.
 * @param isTerminal a person reads it, and no journal keeps it: then the one-time link is shown, too
 */
export function readyInWords({ webUrl, gateway, gatewayTls, signInUrl }: Ready, isTerminal: boolean): string {
  const lines = [`Ready. Web page and API ${webUrl}, gateway ${gateway.host}:${gateway.port}.`];
  if (gatewayTls) {
    const { port, fingerprint, certificate } = gatewayTls;
    lines.push(`Over TLS ${gateway.host}:${port}; ${certificate}, SHA-256 ${fingerprint}.`);
  }
  if (signInUrl && isTerminal) lines.push(`Sign in, once, within 15 minutes: ${signInUrl}`);
  return `${lines.join("\n")}\n`;
}
