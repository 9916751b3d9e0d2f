import { type ExplainedUsername, explainUsername } from "@atlantic/shared/exits/explain.ts";
import { type ExplanationView, explanationSchema } from "@atlantic/shared/exits/explanation-shape.ts";
import { ClearError } from "../clear-error.ts";
import { readConfig } from "../config.ts";
import { companionPaths, dataDirectory } from "../data-paths.ts";
import { basicAuthorization } from "../upstream/exit-upstream.ts";
import { type CommandContext, show } from "./command-context.ts";
import { explanationInWords, usernameInWords } from "./show-explanation.ts";

const TIMEOUT_MS = 10_000;

/** What is known without a server. */
interface OfflineExplanation {
  readonly offline: true;
  /** Why the server was not asked, or did not answer. */
  readonly reason: string;
  readonly username: ExplainedUsername;
}

/** Says what a user name means: by the server with the companion's credential, or the name alone without it. */
export async function explain(context: CommandContext, username: string): Promise<void> {
  const explanation = await askServer(username);
  if ("offline" in explanation) {
    show(
      context,
      explanation,
      ({ reason }) => `${usernameInWords(username, explanation.username)}\n\n${reason}`,
    );
    if (!explanation.username.readable) process.exitCode = 1;
    return;
  }
  show(context, explanation, (whole) => explanationInWords(username, whole));
  if (explanation.error !== null) process.exitCode = 1;
}

async function askServer(username: string): Promise<ExplanationView | OfflineExplanation> {
  try {
    return await fetchExplanation(username);
  } catch (error) {
    if (!(error instanceof ClearError)) throw error;
    return { offline: true, reason: error.message, username: explainUsername(username) };
  }
}

/** @throws ClearError when there is no server to ask, or it does not answer as it should */
async function fetchExplanation(username: string): Promise<ExplanationView> {
  const { upstream } = readConfig(companionPaths(dataDirectory()).config);
  if (upstream.kind === "provider") {
    throw new ClearError(
      "This companion uses a provider without our gateway: only the name itself is explained.",
    );
  }
  const { apiUrl, username: credential, password } = upstream;
  const answer = await fetch(new URL("/api/proxy/explain", apiUrl), {
    method: "POST",
    headers: {
      authorization: basicAuthorization(credential, password),
      "content-type": "application/json",
      accept: "application/json",
    },
    body: JSON.stringify({ username }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new ClearError(`The server at ${apiUrl} does not answer: only the name itself is explained.`, {
      cause,
    });
  });
  if (!answer.ok) {
    throw new ClearError(
      `The server at ${apiUrl} answered ${answer.status}: only the name itself is explained.`,
    );
  }
  const body = explanationSchema.safeParse(await answer.json().catch(() => undefined));
  if (body.success) return body.data;
  throw new ClearError(`The server at ${apiUrl} answered in a way that this command does not understand.`);
}
