import type { ExplainedError, ExplainedUsername } from "@atlantic/shared/exits/explain.ts";
import type { ExplanationView } from "@atlantic/shared/exits/explanation-shape.ts";
import { bytesInWords, durationInWords, table } from "./words.ts";

type Upstream = ExplanationView["upstreams"][number];

/** A user name as a person reads it; where it cannot be read, the wrong part is underlined. */
export function usernameInWords(
  text: string,
  username: ExplanationView["username"] | ExplainedUsername,
): string {
  if (!username.readable) {
    const { error, at } = username;
    const mark = at === null ? [] : [`${" ".repeat(at.start)}${"^".repeat(Math.max(1, at.end - at.start))}`];
    return [printable(text), ...mark, errorInWords(error)].join("\n");
  }
  const { credential, parts, rotation, canonical, spelling } = username;
  const rows = [["credential", credential, "whose traffic it is"], ...parts.map(partRow)];
  return [
    table(["PART", "VALUE", "MEANING"], rows),
    "",
    rotation,
    ...(spelling === "oxylabs" ? [`In our own spelling: ${canonical}`] : []),
  ].join("\n");
}

function partRow({ key, value, meaning }: { key: string; value: string; meaning: string }): string[] {
  return [key, value, meaning];
}

/** The whole answer of the server as a person reads it. */
export function explanationInWords(text: string, explanation: ExplanationView, now = Date.now()): string {
  const { username, error, upstreams, price, limits, accountSession, session } = explanation;
  if (!username.readable) return usernameInWords(text, username);
  const lines = [
    usernameInWords(text, username),
    ...(accountSession === null
      ? []
      : [`But the account's settings give it a session. ${accountSession.rotation}`]),
    "",
    "Upstreams, in the order in which they are asked",
    ...(upstreams.length === 0 ? ["  The server does not say."] : upstreams.map(upstreamInWords)),
    "",
    `Price    ${price === null ? "no plan: no price is agreed on" : priceInWords(price)}`,
    ...(limits === null ? [] : [`Limits   ${limitsInWords(limits)}`]),
    ...(username.session === null && accountSession === null
      ? []
      : [`Session  ${sessionInWords(session, now)}`]),
    "",
    error === null ? "A connection with this name would be tried." : errorInWords(error),
  ];
  return lines.join("\n");
}

function upstreamInWords({ name, label, refusal, asked, evidence }: Upstream, index: number): string {
  const title = `  ${index + 1}. ${label === name ? name : `${label} (${name})`}`;
  if (refusal !== null) return `${title}: not asked. ${refusal}`;
  if (asked === null) return `${title}: this machine's own exit`;
  const login = asked.username === null ? "without a login" : `as ${asked.username}:${asked.password ?? ""}`;
  const doubt = evidence === "community" ? "\n     (this spelling is known from community sources only)" : "";
  return `${title}: ${asked.protocol}://${asked.host}:${asked.port} ${login}${doubt}`;
}

function priceInWords({
  plan,
  currency,
  pricePerGb,
  includedBytes,
}: NonNullable<ExplanationView["price"]>): string {
  const price = pricePerGb.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  return `${price} ${currency} per GB (10^9 bytes) beyond ${bytesInWords(includedBytes)}, by the plan ${plan}`;
}

function limitsInWords(limits: NonNullable<ExplanationView["limits"]>): string {
  const { remainingBytes, requestsPerSecond, bandwidth, authentication, allowedAddresses } = limits;
  const { connections, allowedPorts, allowedTargets, blockedTargets } = limits;
  const ways = {
    password: "by password",
    address: `by address (${allowedAddresses.join(", ") || "none allowed"})`,
    password_and_address: `by password and address (${allowedAddresses.join(", ") || "none allowed"})`,
  };
  return [
    remainingBytes === null ? "no limit of traffic" : `${bytesInWords(remainingBytes)} left`,
    requestsPerSecond === null ? "no limit of requests" : `${requestsPerSecond} requests/s`,
    bandwidth === null ? "no limit of bandwidth" : `${bytesInWords(bandwidth)}/s`,
    ...(connections === null ? [] : [`${connections} connections`]),
    ...(allowedPorts === null ? [] : [`ports ${allowedPorts.join(", ") || "none"}`]),
    ...(allowedTargets === null ? [] : [`targets ${allowedTargets.join(", ") || "none"}`]),
    ...(blockedTargets.length === 0 ? [] : [`not to ${blockedTargets.join(", ")}`]),
    ways[authentication],
  ].join("; ");
}

function sessionInWords(session: ExplanationView["session"], now: number): string {
  if (session === null) return "has not begun, as far as this server knows";
  const where = session.upstream === null ? "" : ` by ${session.upstream}`;
  const lost = session.lost ? ", its address is lost" : "";
  return `lives for another ${durationInWords(session.expiresAt - now)}${where}${lost}`;
}

function errorInWords({
  code,
  detail,
  sentence,
  httpStatus,
  proxyStatus,
  socks5Reply,
}: Omit<ExplainedError, "code"> & { readonly code: string }): string {
  const socks =
    socks5Reply === null ? "the login is refused" : `reply 0x${socks5Reply.toString(16).padStart(2, "0")}`;
  return [
    `It would be refused: ${code}`,
    ...(detail === null ? [] : [`  ${detail}`]),
    `  ${sentence}`,
    `  HTTP ${httpStatus}, Proxy-Status: ${proxyStatus}`,
    `  SOCKS5: ${socks}`,
  ].join("\n");
}

/** The underlining must stand under what it means, whatever the text holds. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
