import { ProxyError } from "../../errors.ts";
import type { ExitSelector } from "../selector.ts";
import type { ProviderAccount, ProviderLogin, ProviderSession } from "./provider-session.ts";

/**
 * How a provider wants its login written, as the operator configures it: text with `{placeholders}`, and parts in
 * `[brackets]` that appear only when all of their placeholders have a value. Placeholders: `username`, `password`,
 * `country`, `COUNTRY`, `region`, `city`, `postalCode`, `asn`, `ispTier`, `session`, `minutes`.
 *
 *     brd-customer-{username}-zone-res[-country-{country}][-session-{session}]
 */
export interface LoginTemplate {
  readonly username: string;
  readonly password: string;
}

export const PLAIN_LOGIN: LoginTemplate = { username: "{username}", password: "{password}" };

/**
 * The login for one connection.
 * @throws ProxyError `no_exit` when the selector asks for what the template has no place for
 */
export function genericLogin(
  template: LoginTemplate,
  account: ProviderAccount,
  exit: ExitSelector,
  session: ProviderSession | undefined,
): ProviderLogin {
  refuseWhatHasNoPlace(template, exit);
  const values: Record<string, string | number | undefined> = {
    ...exit,
    ...account,
    COUNTRY: exit.country?.toUpperCase(),
    session: session?.id,
    minutes: session?.lifetimeMinutes,
  };
  return { username: fill(template.username, values), password: fill(template.password, values) };
}

/** Asked for a city, an exit anywhere in the country would be a wrong exit: refuse instead. */
function refuseWhatHasNoPlace({ username, password }: LoginTemplate, exit: ExitSelector): void {
  const text = (username + password).toLowerCase();
  for (const [key, value] of Object.entries(exit)) {
    if (value === undefined || key === "pool") continue;
    if (!text.includes(`{${key.toLowerCase()}}`)) {
      throw new ProxyError("no_exit", `This upstream does not choose exits by ${key}.`);
    }
  }
}

function fill(template: string, values: Record<string, string | number | undefined>): string {
  const chosen = template.replace(/\[([^\]]*)\]/g, (_, part: string) =>
    placeholders(part).every((name) => values[name] !== undefined) ? part : "",
  );
  return chosen.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
}
