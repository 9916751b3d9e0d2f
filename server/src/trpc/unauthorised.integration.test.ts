import type { AnyTRPCProcedure } from "@trpc/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTemporaryServer, type TemporaryServer, type Visitor } from "../testing/temporary-server.ts";
import { appRouter } from "./router.ts";

/** What the companion may ask with a gateway credential. Nothing is added here without a thought. */
const allowedToCredentials = ["exits.list", "proxy.explain", "proxy.status", "usage.summary"];

/** Inputs that would be right, so that what is refused is the caller and not the input. */
const inputs: Readonly<Record<string, unknown>> = {
  "credentials.create": { label: "laptop" },
  "credentials.rotate": { id: "atl_00000000" },
  "credentials.revoke": { id: "atl_00000000" },
  "receipts.list": { credentialId: "atl_00000000" },
  "receipts.download": { credentialId: "atl_00000000" },
  "limits.get": {},
  "limits.set": {
    credentialId: null,
    requestsPerSecond: null,
    bandwidthLimit: null,
    connections: null,
    allowedPorts: null,
    allowedTargets: null,
    blockedTargets: [],
  },
  "addresses.get": { credentialId: "atl_00000000" },
  "addresses.set": { credentialId: "atl_00000000", method: "password", addresses: [] },
  "customHeaders.get": {},
  "customHeaders.set": { credentialId: null, headers: [] },
  "sessions.setSettings": { enabled: false, minutes: 10, mode: "flex" },
  "proxy.connect": { exit: {} },
  "proxy.explain": { username: "atl_00000000-cc-de" },
  "proxy.disconnect": { connectionId: "00000000-0000-4000-8000-000000000000" },
  "connections.list": {},
  "usage.series": { range: "day" },
  "usage.byExit": { range: "day" },
};

/** The library's type says a tree where there is a flat list. */
const byPath = appRouter._def.procedures as unknown as Record<string, AnyTRPCProcedure>;
const procedures = Object.entries(byPath).map(([path, procedure]) => [path, procedure._def.type] as const);

let server: TemporaryServer;
let program: Visitor;

beforeAll(async () => {
  server = await startTemporaryServer({ ATLANTIC_ROLES: "web" });
  const member = await server.join();
  const { credential, password } = await member.api.credentials.create.mutate({ label: "companion" });
  program = server.program({ username: credential.username, password });
});
afterAll(() => server.close());

test("every procedure is looked at", () => {
  expect(procedures.length).toBeGreaterThanOrEqual(14);
});

describe.each(procedures)("%s", (path, type) => {
  test("is nothing for a stranger", async () => {
    expect(await statusFor(server.stranger)).toBe(401);
  });

  test("is nothing for a forged session", async () => {
    const cookie =
      "atlantic.session_token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D";
    expect(await statusFor({ ...server.stranger, headers: { cookie, "x-atlantic-request": "1" } })).toBe(401);
  });

  test(`is ${allowedToCredentials.includes(path) ? "open" : "closed"} to a gateway credential`, async () => {
    expect(await statusFor(program)).toBe(allowedToCredentials.includes(path) ? 200 : 403);
  });

  async function statusFor({ headers }: Visitor): Promise<number> {
    const url = `${server.url}/api/trpc/${path}`;
    const input = JSON.stringify(inputs[path]);
    if (type === "mutation") {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: input,
      });
      return answer.status;
    }
    const query = input === undefined ? "" : `?input=${encodeURIComponent(input)}`;
    const answer = await fetch(`${url}${query}`, {
      headers: { ...headers, ...(type === "subscription" ? { accept: "text/event-stream" } : {}) },
    });
    if (type !== "subscription" || !answer.ok) return answer.status;
    return refusalInStream(await answer.text());
  }

  /** A subscription that is refused after its headers says so in its stream. */
  function refusalInStream(stream: string): number {
    return Number(/"httpStatus":(\d+)/.exec(stream)?.[1] ?? 200);
  }
});
