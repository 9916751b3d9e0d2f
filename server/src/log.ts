import { type DestinationStream, type Logger, pino } from "pino";

/** Where secrets could be in what is logged. Values are replaced, at any of these places. */
const REDACTED = [
  "password",
  "token",
  "secret",
  "authorization",
  "cookie",
  "*.password",
  "*.token",
  "*.secret",
  "*.authorization",
  "*.cookie",
  '*["proxy-authorization"]',
  '*["set-cookie"]',
  "headers.authorization",
  "headers.cookie",
  'headers["proxy-authorization"]',
  'headers["set-cookie"]',
  "*.headers.authorization",
  "*.headers.cookie",
  '*.headers["proxy-authorization"]',
  '*.headers["set-cookie"]',
];

/** Query strings may carry tokens, and user names of proxies stand in URLs with their passwords. */
const URL_SECRETS = /(\/\/)[^/\s@]+@|([?#])[^\s"']+/g;

/** The server's log: JSON lines without secrets. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    redact: { paths: REDACTED, censor: "[left out]" },
    serializers: { err: describeError, error: describeError, url: withoutSecrets },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** An error for the log: a database error's query is kept, the values it was run with are not. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: withoutSecrets(error) };
  return {
    name: error.name,
    message: withoutSecrets(error.message),
    ...("code" in error ? { code: error.code } : {}),
    stack: withoutSecrets(error.stack ?? ""),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

function withoutSecrets(text: unknown): string {
  return String(text).replace(URL_SECRETS, (_, slashes: string | undefined, mark: string | undefined) =>
    slashes === undefined ? `${mark ?? ""}[left out]` : `${slashes}[left out]@`,
  );
}
