import { isProviderKind } from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import { countryCodeSchema } from "@atlantic/shared/exits/selector.ts";
import { ClearError } from "../clear-error.ts";
import { dataDirectory } from "../data-paths.ts";
import { examineProvider } from "../doctor/examine-provider.ts";
import type { Finding } from "../doctor/finding.ts";
import { type ConfiguredUpstream, readConfiguredUpstreams, upstreamsPath } from "../doctor/read-upstreams.ts";
import { type CommandContext, show } from "./command-context.ts";

export interface ProviderOptions {
  readonly provider?: string;
  readonly file?: string;
  readonly country?: string;
  readonly checkUrl?: string;
  readonly onlyConnect?: boolean;
}

const marks = { good: "ok  ", warning: "warn", bad: "BAD " } as const;

/** Prints what was found; with something bad among it the command fails. */
export function showFindings(context: CommandContext, findings: readonly Finding[]): void {
  show(context, findings, (list) => list.map(findingInWords).join("\n"));
  if (findings.some(({ verdict }) => verdict === "bad")) process.exitCode = 1;
}

function findingInWords({ name, verdict, detail, remedy }: Finding): string {
  return `${marks[verdict]}  ${name}: ${detail}${remedy ? `\n      → ${remedy}` : ""}`;
}

/**
 * Tries upstreams with their real accounts: a few connections each, which cost a few kilobytes of their traffic.
 * The accounts are read from the data directory of this machine and go nowhere but to their providers.
 * @throws ClearError when there is no such upstream, or the file cannot be read
 */
export async function examineProviders(
  context: CommandContext,
  options: ProviderOptions & { readonly provider: string },
): Promise<void> {
  const path = options.file ?? upstreamsPath(dataDirectory());
  const wanted = chosen(readConfiguredUpstreams(path), options.provider);
  const how = howToAsk(options);
  const findings: Finding[] = [];
  for (const upstream of wanted) findings.push(...(await examineProvider(upstream, how)));
  showFindings(context, findings);
}

function chosen(upstreams: readonly ConfiguredUpstream[], name: string): readonly ConfiguredUpstream[] {
  const providers = upstreams.filter(({ kind }) => isProviderKind(kind));
  const wanted =
    name === "all" ? providers : providers.filter((one) => one.name === name || one.kind === name);
  if (wanted.length > 0) return wanted;
  const known = providers.map((one) => one.name).join(", ") || "none";
  throw new ClearError(`No upstream with an account is called "${name}". There are: ${known}.`);
}

function howToAsk({ country, checkUrl, onlyConnect = false }: ProviderOptions) {
  const code = country?.toLowerCase();
  if (code !== undefined && !countryCodeSchema.safeParse(code).success) {
    throw new ClearError(`--country takes two letters, as in us or de, not "${country}".`);
  }
  if (checkUrl !== undefined && !/^https?:\/\//.test(checkUrl)) {
    throw new ClearError(`--check-url takes a http or https address, not "${checkUrl}".`);
  }
  return {
    onlyConnect,
    ...(code !== undefined && { country: code }),
    ...(checkUrl !== undefined && { checkUrl: new URL(checkUrl) }),
  };
}
