import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DialError } from "@atlantic/native";
import { errorText, ProxyError, proxyErrors } from "@atlantic/shared/errors.ts";
import type { BoundProvider, Dispute } from "@atlantic/shared/exits/adapters/provider-adapter.ts";
import { isProviderKind, providerAdapters } from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import type { ProviderSession } from "@atlantic/shared/exits/adapters/provider-session.ts";
import { sessionIdOf } from "@atlantic/shared/exits/adapters/session-id.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import { askThrough } from "./ask-through.ts";
import { bad, type Finding, good, warning } from "./finding.ts";
import type { ConfiguredUpstream } from "./read-upstreams.ts";
import type { SeenAddress } from "./seen-address.ts";

export interface HowToAsk {
  readonly country?: string;
  /** Default: the provider's own page. */
  readonly checkUrl?: URL;
  /** Leaves out sessions and disputed spellings. */
  readonly onlyConnect: boolean;
  /** For tests. */
  readonly wait?: (ms: number) => Promise<unknown>;
}

interface Trial {
  readonly provider: BoundProvider;
  readonly upstream: ConfiguredUpstream;
  readonly url: URL;
  readonly wait: (ms: number) => Promise<unknown>;
}

/**
 * Tries one upstream with its real account: that it can be reached, that it leaves where it is asked to, that a
 * session keeps its address, and which of the spellings that sources disagree on it understands. Never throws for what
 * the provider does, and says nothing secret.
 */
export async function examineProvider(upstream: ConfiguredUpstream, how: HowToAsk): Promise<Finding[]> {
  const { name, kind, entry } = upstream;
  if (!isProviderKind(kind)) return [];
  let provider: BoundProvider;
  try {
    provider = providerAdapters[kind].bind(entry);
  } catch (error) {
    const detail = error instanceof Error ? error.message : "Its entry cannot be understood.";
    return [bad(name, detail, "Correct its entry in upstreams.json.")];
  }
  const url =
    how.checkUrl ?? (provider.adapter.checkUrl === null ? null : new URL(provider.adapter.checkUrl));
  if (url === null) {
    return [bad(name, "It has no page of its own that says who asked.", "Give one with --check-url URL.")];
  }
  const trial: Trial = { provider, upstream, url, wait: how.wait ?? sleep };
  const first = await reachFinding(trial);
  const evidence = evidenceFinding(trial);
  if (first.verdict === "bad") return [first, evidence];
  const place = await placeFinding(trial, how.country);
  if (how.onlyConnect) return [first, place, evidence];
  const findings = [first, place, await sessionFinding(trial)];
  for (const dispute of provider.adapter.disputes) findings.push(await disputeFinding(trial, dispute));
  return [...findings, evidence];
}

async function reachFinding(trial: Trial): Promise<Finding> {
  const { provider, upstream } = trial;
  const name = `${upstream.name}: connection`;
  const entry = entryInWords(provider);
  const seen = await ask(trial, {}, undefined);
  if ("address" in seen) return good(name, `${entry} takes this account; a site saw ${seen.address}.`);
  return bad(name, `${entry} failed. ${seen.problem}`, seen.remedy);
}

async function placeFinding(trial: Trial, wanted: string | undefined): Promise<Finding> {
  const { upstream } = trial;
  const country = wanted ?? firstCountry(upstream) ?? "us";
  const name = `${upstream.name}: country ${country}`;
  const seen = await ask(trial, { country }, undefined);
  if (!("address" in seen)) return bad(name, seen.problem, seen.remedy);
  if (seen.country === null) {
    return warning(
      name,
      `A site saw ${seen.address}; the page does not say in which country.`,
      "Give one that does: --check-url.",
    );
  }
  if (seen.country === country) return good(name, `A site saw ${seen.address}, in ${country.toUpperCase()}.`);
  const detail = `It was asked for ${country.toUpperCase()}, and a site saw ${seen.address}, in ${seen.country.toUpperCase()}.`;
  return bad(name, detail, "Check with another page (databases differ); if it stays, ask the provider.");
}

async function sessionFinding(trial: Trial): Promise<Finding> {
  const { upstream, provider } = trial;
  const name = `${upstream.name}: session`;
  const session = newSession(provider, 10);
  if (session === undefined) return good(name, "It has no sessions.");
  const seen = [await ask(trial, {}, session), await ask(trial, {}, session)];
  const failed = seen.find((one) => "problem" in one);
  if (failed && "problem" in failed) return bad(name, failed.problem, failed.remedy);
  const addresses = new Set(seen.map((one) => ("address" in one ? one.address : "")));
  if (addresses.size === 1) return good(name, `Two connections had one address, ${[...addresses].join()}.`);
  return bad(
    name,
    `Two connections of one session had the addresses ${[...addresses].join(" and ")}.`,
    "Run it again: exits come and go. If it stays, the session's spelling is wrong.",
  );
}

async function disputeFinding(trial: Trial, dispute: Dispute): Promise<Finding> {
  const { upstream } = trial;
  const name = `${upstream.name}: ${dispute.question}`;
  const { probe, option } = dispute;
  const answers: string[] = [];
  if (probe.kind === "lifetime") {
    const answer = await lifetimeOf(trial, probe);
    if ("problem" in answer) return warning(name, answer.problem, answer.remedy);
    answers.push(answer.value);
  } else {
    for (const value of dispute.values) {
      const seen = await ask(withOption(trial, option, value), probe.exit, undefined);
      if ("address" in seen) answers.push(`${value}`);
    }
  }
  const configured = `${upstream.entry[option] ?? dispute.values[0]}`;
  if (answers.length === 0)
    return warning(name, `Neither ${dispute.values.join(" nor ")} worked.`, "The account may not have it.");
  if (answers.includes(configured)) {
    const all = answers.length > 1 ? `${answers.join(" and ")} both work` : `${configured} works`;
    return good(name, `${all}, and ${configured} is configured.`);
  }
  const [right = ""] = answers;
  return bad(
    name,
    `${right} works, ${configured} is configured.`,
    `Set "${option}": ${JSON.stringify(right)} in its entry.`,
  );
}

/** Which of two readings of a lifetime is right: whether the address has changed by then. */
async function lifetimeOf(
  trial: Trial,
  { as, minutes, seconds, changed, kept }: Extract<Dispute["probe"], { kind: "lifetime" }>,
): Promise<{ value: string } | Failure> {
  const other = withOption(trial, as.option, as.value);
  const session = newSession(other.provider, minutes);
  const before = await ask(other, {}, session);
  if ("problem" in before) return before;
  await trial.wait(seconds * 1_000);
  const after = await ask(other, {}, session);
  if ("problem" in after) return after;
  return { value: `${before.address === after.address ? kept : changed}` };
}

function withOption(trial: Trial, option: string, value: string | number): Trial {
  const { adapter } = trial.provider;
  return { ...trial, provider: adapter.bind({ ...trial.upstream.entry, [option]: value }) };
}

function evidenceFinding({ upstream, provider }: Trial): Finding {
  const { chooses, session, sources } = provider.adapter;
  const name = `${upstream.name}: spelling`;
  const doubtful = Object.entries(chooses).flatMap(([part, evidence]) =>
    evidence === "community" ? [part] : [],
  );
  if (session?.evidence === "community") doubtful.push("session");
  if (sources.length === 0) return good(name, "It is the operator's own.");
  if (doubtful.length === 0) return good(name, "All of it follows the provider's own pages.");
  return warning(
    name,
    `Known from community sources only: ${doubtful.join(", ")}.`,
    "Try what you need of it before you rely on it.",
  );
}

interface Failure {
  readonly problem: string;
  readonly remedy: string;
}

async function ask(
  { provider, upstream, url }: Trial,
  exit: ExitSelector,
  session: ProviderSession | undefined,
): Promise<SeenAddress | Failure> {
  const ca = typeof upstream.entry.ca === "string" ? upstream.entry.ca : undefined;
  try {
    return await askThrough({ protocol: provider.protocol, asked: provider.ask(exit, session), ca, url });
  } catch (error) {
    return failureOf(error, provider);
  }
}

const aboutAccount: ReadonlySet<string> = new Set([
  "upstream_denied",
  "wrong_credentials",
  "authentication_required",
]);

/** The provider's words in ours. An error's own text is shown only where this program wrote it. */
function failureOf(error: unknown, { adapter, protocol }: BoundProvider): Failure {
  if (error instanceof DialError && error.refusal && protocol !== "socks5") {
    const { status } = error.refusal;
    const code = adapter.refusal(error.refusal) ?? (status === 407 ? "upstream_denied" : error.code);
    const remedy =
      code === "upstream_denied" ? "Check the account in its entry." : proxyErrors[code].sentence;
    return { problem: `It answered ${status}: ${code}.`, remedy };
  }
  if (error instanceof ProxyError) {
    if (aboutAccount.has(error.code))
      return { problem: "It refused this account.", remedy: "Check the account in its entry." };
    return { problem: firstLine(errorText(error)), remedy: "Check host, port and protocol in its entry." };
  }
  const problem = error instanceof Error ? firstLine(error.message) : "It did not work.";
  return { problem, remedy: "Try again, or another page with --check-url." };
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? text;
}

function newSession({ session: rules }: BoundProvider, lifetimeMinutes: number): ProviderSession | undefined {
  return rules === null
    ? undefined
    : { id: sessionIdOf(rules.id, randomBytes(32)), lifetimeMinutes, mode: "flex" };
}

function entryInWords(provider: BoundProvider): string {
  const { host, port } = provider.show({}, undefined);
  return `${provider.protocol}://${host}:${port}`;
}

function firstCountry({ entry }: ConfiguredUpstream): string | undefined {
  const [place] = Array.isArray(entry.places) ? entry.places : [];
  const country: unknown = place?.country;
  return typeof country === "string" ? country : undefined;
}
