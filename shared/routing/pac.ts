export type Naming = "steady" | "shared" | "own";

/**
 * How Chrome finds the companion: a script that names the proxy for each request. It knows the host and nothing of tabs.
 *
 * `steady` and `shared`: one name each, so that requests share tunnels, but never those that another plan left behind.
 * `own`: a random name per request, so that no two share one.
 * `generation` tells one script from the next: only the current script leads its probe to the companion.
 */
export interface ProxyScript {
  readonly port: number;
  readonly naming: Naming;
  readonly generation: number;
}

const PROBE_SUFFIX = ".probe.atlantic.invalid";
/** The discard of wrong probes: nothing listens on port 1 of a loopback address. */
const NOWHERE = "PROXY 127.0.0.1:1";
const RANDOM_RANGE = 0x1_0000_0000_0000;

/** Names under `.localhost` lead to this machine without being asked for anywhere (RFC 6761). */
const fixedNames = { steady: "127.0.0.1", shared: "atlantic.localhost" } as const;

/** A host that only the script of this generation leads to the companion (RFC 6761: `.invalid` never resolves). */
export function probeHost(generation: number): string {
  return `g${generation}${PROBE_SUFFIX}`;
}

/** The script for Chrome. There is no DIRECT in it: when the companion is gone, nothing leaves. */
export function compileProxyScript({ port, naming, generation }: ProxyScript): string {
  const proxy =
    naming === "own"
      ? `"PROXY r" + Math.floor(Math.random() * ${RANDOM_RANGE}).toString(36) + ".localhost:${port}"`
      : `"PROXY ${fixedNames[naming]}:${port}"`;
  return [
    "function FindProxyForURL(url, host) {",
    `  if (host.slice(-${PROBE_SUFFIX.length}) === "${PROBE_SUFFIX}") {`,
    `    return host === "${probeHost(generation)}" ? "PROXY 127.0.0.1:${port}" : "${NOWHERE}";`,
    "  }",
    `  return ${proxy};`,
    "}",
    "",
  ].join("\n");
}

/** What the compiled script answers for a host; `random` is in [0, 1). */
export function proxyFor({ port, naming, generation }: ProxyScript, host: string, random: number): string {
  if (host.endsWith(PROBE_SUFFIX)) {
    return host === probeHost(generation) ? `PROXY 127.0.0.1:${port}` : NOWHERE;
  }
  if (naming !== "own") return `PROXY ${fixedNames[naming]}:${port}`;
  return `PROXY r${Math.floor(random * RANDOM_RANGE).toString(36)}.localhost:${port}`;
}

/** Whether a proxy that challenges is one that these scripts name: `shared` by requests, or `own` when the name serves one request alone. */
export function challengerOf(host: string, port: number, ours: number): "shared" | "own" | undefined {
  if (port !== ours) return undefined;
  if (host === fixedNames.steady || host === fixedNames.shared) return "shared";
  return /^r[0-9a-z]{1,12}\.localhost$/.test(host) ? "own" : undefined;
}
