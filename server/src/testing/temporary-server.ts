import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTRPCClient, httpLink, type TRPCClient } from "@trpc/client";
import { readConfig } from "../config.ts";
import { seedPglite } from "../db/testing/pglite-template.ts";
import { type RunningServer, startServer } from "../server.ts";
import type { AppRouter } from "../trpc/router.ts";

/** Somebody who talks to the server: an account with its session, or a program with a credential. */
export interface Visitor {
  readonly api: TRPCClient<AppRouter>;
  /** The headers that say who it is. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A person with an account. */
export interface Member extends Visitor {
  readonly email: string;
}

/** A whole server on free ports in a fresh data directory. */
export interface TemporaryServer extends RunningServer {
  /** Where it can be reached without resolving a name. */
  readonly url: string;
  /** Its data directory. */
  readonly directory: string;
  /** Makes an account and signs it in. */
  join(name?: string): Promise<Member>;
  /** A program with this gateway credential. */
  program(credential: { username: string; password: string }): Visitor;
  /** Ends the server and keeps its data. */
  stop(): Promise<void>;
  /** Somebody nobody knows. */
  readonly stranger: Visitor;
}

/** The password of every account that `join` makes. */
export const MEMBER_PASSWORD = "correct horse battery staple";

/**
 * Starts a server for a test. `close` ends it and removes its data.
 * @param prepare puts into its data directory what must lie there before it starts
 */
export async function startTemporaryServer(
  environment: Readonly<Record<string, string>> = {},
  prepare?: (directory: string) => Promise<void>,
): Promise<TemporaryServer> {
  const directory = await mkdtemp(join(tmpdir(), "atlantic-server-"));
  await prepare?.(directory);
  if (environment.DATABASE_URL === undefined) await seedPglite(join(directory, "server", "pglite"));
  const server = await startServer(
    readConfig({
      ATLANTIC_DATA: directory,
      ATLANTIC_WEB_PORT: "0",
      ATLANTIC_GATEWAY_PORT: "0",
      ATLANTIC_LOG: "silent",
      ATLANTIC_GATEWAY_PROCESSES: "1",
      ...environment,
    }),
  );
  const url = `http://127.0.0.1:${server.webPort}`;
  let members = 0;
  return {
    ...server,
    url,
    directory,
    stranger: visitor(url, {}),
    program: ({ username, password }) => visitor(url, { authorization: basic(username, password) }),
    join: async (name = "Ada") => {
      // Each from an address of its own, as far as limits go: the last hop that is no trusted proxy.
      members += 1;
      const email = `${name.toLowerCase()}-${randomUUID()}@example.test`;
      const cookie = await signUp(url, { email, name, address: `198.51.100.${members}` });
      return { ...visitor(url, { cookie, "x-atlantic-request": "1" }), email };
    },
    stop: () => server.close(),
    close: async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The cookies of an answer as a browser would send them back. */
export function cookiesOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0])
    .join("; ");
}

function visitor(url: string, headers: Record<string, string>): Visitor {
  const api = createTRPCClient<AppRouter>({ links: [httpLink({ url: `${url}/api/trpc`, headers })] });
  return { api, headers };
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function signUp(
  url: string,
  { email, name, address }: { email: string; name: string; address: string },
): Promise<string> {
  const response = await fetch(`${url}/api/auth/sign-up/email`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url, "x-forwarded-for": address },
    body: JSON.stringify({ email, name, password: MEMBER_PASSWORD }),
  });
  if (!response.ok) throw new Error(`signing up failed: ${response.status} ${await response.text()}`);
  return cookiesOf(response);
}
