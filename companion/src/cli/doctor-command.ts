import { isProviderKind } from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import { countryCodeSchema } from "@atlantic/shared/exits/selector.ts";
import { ClearError } from "../clear-error.ts";
import { dataDirectory, pathsToSpeakTo, servicePaths } from "../data-paths.ts";
import { examineAlone } from "../doctor/examine-alone.ts";
import { examineProvider } from "../doctor/examine-provider.ts";
import { examineServerFiles } from "../doctor/examine-server-files.ts";
import { bad, type Finding } from "../doctor/finding.ts";
import { type ConfiguredUpstream, readConfiguredUpstreams, upstreamsPath } from "../doctor/read-upstreams.ts";
import { meansService } from "../service/means-service.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";
import { restoreLeftSettings } from "./system-proxy-command.ts";

export interface ProviderOptions {
  readonly provider?: string;
  readonly file?: string;
  readonly country?: string;
  readonly checkUrl?: string;
  readonly onlyConnect?: boolean;
}

const marks = { good: "ok  ", warning: "warn", bad: "BAD " } as const;

/** Looks at everything that can be looked at, with the companion's help where one answers. */
export async function examineEverything(context: CommandContext): Promise<void> {
  const findings = await askCompanion(context);
  showFindings(context, [...findings, ...examineServerFiles(dataDirectory())]);
}

/** Where no companion answers, which is when one asks, what can be found out without it. */
async function askCompanion(context: CommandContext): Promise<readonly Finding[]> {
  try {
    return await withCompanion((client) => client.request("doctor.run", {}));
  } catch (error) {
    if (!(error instanceof ClearError)) throw error;
    const left = await leftSettings(context);
    const paths = meansService() ? servicePaths : pathsToSpeakTo();
    return [...(await examineAlone(paths, error.message)), ...left];
  }
}

/** Puts the desktop's settings back that a killed companion left; that it cannot is a finding like others. */
async function leftSettings(context: CommandContext): Promise<Finding[]> {
  try {
    await restoreLeftSettings(context);
    return [];
  } catch (error) {
    if (!(error instanceof ClearError)) throw error;
    return [bad("Desktop's proxy settings", error.message, "atlantic disconnect --system-proxy")];
  }
}

/** Prints what was found; with something bad among it the command fails. */
function showFindings(context: CommandContext, findings: readonly Finding[]): void {
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
