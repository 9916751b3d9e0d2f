/**
 * How Chrome finds the companion: a script that names the proxy for each request. It knows the host and nothing of tabs.
 *
 * `steady`: one name, so that one credential is good for every tunnel.
 * `byHost` and `inTurns`: requests to one host share a name, never one that an earlier script gave; `inTurns` gives the
 * host a new name after so many requests.
 * `own`: a random name per request, so that no two share one.
 */
export type Naming = "steady" | "byHost" | "inTurns" | "own";

/** `generation` tells one script from the next: only the current script leads its probe to the companion. */
export interface ProxyScript {
  readonly port: number;
  readonly naming: Naming;
  readonly generation: number;
}

/**
 * Chrome opens at most 32 connections to one proxy name. At the 33rd it closes every HTTP/2 connection of that name
 * that it takes for idle, and with it requests that are about to be written, which then fail. A name that serves fewer
 * requests than that can never get there, however many tabs ask the same host at once.
 */
export const REQUESTS_PER_NAME = 30;

/** The most hosts whose names are remembered; beyond, all get new ones. */
const MAX_HOSTS = 2_000;

const PROBE_SUFFIX = ".probe.atlantic.invalid";
/** The discard of wrong probes: nothing listens on port 1 of a loopback address. */
const NOWHERE = "PROXY 127.0.0.1:1";
const RANDOM_RANGE = 0x1_0000_0000_0000;

const STEADY_NAME = "127.0.0.1";

/** A host that only the script of this generation leads to the companion (RFC 6761: `.invalid` never resolves). */
export function probeHost(generation: number): string {
  return `g${generation}${PROBE_SUFFIX}`;
}

/** The script for Chrome. There is no DIRECT in it: when the companion is gone, nothing leaves. */
export function compileProxyScript({ port, naming, generation }: ProxyScript): string {
  return [
    ...nameScript(naming),
    "function FindProxyForURL(url, host) {",
    `  if (host.slice(-${PROBE_SUFFIX.length}) === "${PROBE_SUFFIX}") {`,
    `    return host === "${probeHost(generation)}" ? "PROXY 127.0.0.1:${port}" : "${NOWHERE}";`,
    "  }",
    `  return "PROXY " + nameFor(host) + ":${port}";`,
    "}",
    "",
  ].join("\n");
}

/** Names under `.localhost` lead to this machine without being asked for anywhere (RFC 6761). */
function nameScript(naming: Naming): string[] {
  const random = `Math.floor(Math.random() * ${RANDOM_RANGE}).toString(36)`;
  if (naming === "steady") return [`function nameFor() { return "${STEADY_NAME}"; }`];
  if (naming === "own") return [`function nameFor() { return "r" + ${random} + ".localhost"; }`];
  return [
    // Chrome keeps these between requests; wherever it runs the script anew, other names follow.
    `var seed = ${random}, made = 0, names = new Map();`,
    "function nameFor(host) {",
    "  var name = names.get(host);",
    "  if (!name || name.left === 0) {",
    `    if (names.size >= ${MAX_HOSTS}) names.clear();`,
    "    made += 1;",
    `    name = { text: "p" + seed + "-" + made.toString(36), left: ${naming === "inTurns" ? REQUESTS_PER_NAME : "Infinity"} };`,
    "    names.set(host, name);",
    "  }",
    "  name.left -= 1;",
    '  return name.text + ".localhost";',
    "}",
  ];
}

/** Whether a proxy that challenges is one that these scripts name: `shared` by requests, or `own` when the name serves one request alone. */
export function challengerOf(host: string, port: number, ours: number): "shared" | "own" | undefined {
  if (port !== ours) return undefined;
  if (host === STEADY_NAME || /^p[0-9a-z]{1,12}-[0-9a-z]{1,12}\.localhost$/.test(host)) return "shared";
  return /^r[0-9a-z]{1,12}\.localhost$/.test(host) ? "own" : undefined;
}
