import { join } from "node:path";
import { buildLoad } from "../load/build.ts";
import { startLoad, type TimedRun, type Way } from "../load/load.ts";
import { inTurn } from "../measure/in-turn.ts";
import { LOAD_CORE, PROXY_CORE, pinningProblem } from "../measure/pinned.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { startKoa } from "../peers/koa.ts";
import { type OurServer, startOurServer } from "../peers/ours.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite } from "../suite.ts";

const SECONDS = 2;

/** Queries by the two kinds of caller that the API knows. */
const queries = [
  { name: "account.get by a session's cookie", path: "/api/trpc/account.get", caller: "cookie" },
  { name: "usage.summary by a credential", path: "/api/trpc/usage.summary", caller: "credential" },
] as const;

const loads = [
  { name: "one after the other", threads: 1 },
  { name: "20 at once", threads: 20 },
];

export const api: Suite = {
  name: "api",
  about: "authenticated tRPC queries against a bare Koa handler with the same JSON",
  async run(context) {
    const problem = pinningProblem();
    if (problem !== undefined) throw new Error(problem);
    using folder = temporaryFolder();
    const load = await startLoad(await buildLoad(), LOAD_CORE);
    const server = await startOurServer(PROXY_CORE, join(folder.path, "data"));
    try {
      const url = new URL(server.ready.webUrl);
      const fields = await callers(server, url);
      const rows: Row[] = [];
      for (const query of queries) {
        const ours: Way = {
          kind: "server",
          port: Number(url.port),
          path: query.path,
          fields: [fields[query.caller]],
        };
        const koa = await startKoa(PROXY_CORE, await answerOf(url, query.path, fields[query.caller]));
        const peer: Way = { ...ours, port: koa.port };
        try {
          for (const { name, threads } of loads) {
            context.progress(`${query.name}, ${name}`);
            const measure = (way: Way) => () => load.timed("requests", way, { seconds: SECONDS, threads });
            const readings = await inTurn(context.rounds, [
              { name: "ours", measure: measure(ours) },
              { name: "koa", measure: measure(peer) },
            ]);
            context.keep(`${query.name}, ${name}`, Object.fromEntries(readings));
            rows.push(
              ...rowsOf(`${query.name}, ${name}`, readings.get("ours") ?? [], readings.get("koa") ?? []),
            );
          }
        } finally {
          await koa.close();
        }
      }
      return rows;
    } finally {
      await server.close();
      await load.close();
    }
  },
};

function rowsOf(name: string, ours: readonly TimedRun[], koa: readonly TimedRun[]): Row[] {
  const row = (metric: string, unit: string, better: Row["better"], value: (run: TimedRun) => number) =>
    makeRow({
      suite: "api",
      case: name,
      metric,
      unit,
      better,
      ours: ours.map(value),
      peer: { name: "bare Koa", rounds: koa.map(value) },
    });
  return [
    row("latency p50", "ms", "lower", ({ p50Micros }) => p50Micros / 1e3),
    row("latency p99", "ms", "lower", ({ p99Micros }) => p99Micros / 1e3),
    row("queries", "1/s", "higher", ({ count, seconds }) => count / seconds),
  ];
}

/** The header field by which each kind of caller shows who it is. */
async function callers(server: OurServer, url: URL): Promise<Record<"cookie" | "credential", string>> {
  const { credential, signInUrl } = server.ready;
  if (credential === null || signInUrl === null) throw new Error("Our server made no first account.");
  const token = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
  const answer = await fetch(new URL("/api/auth/sign-in/once", url), {
    method: "POST",
    headers: { "content-type": "application/json", origin: url.origin },
    body: JSON.stringify({ token: new URL(signInUrl).hash.slice(1) }),
  });
  if (!answer.ok) throw new Error(`The one-time sign-in was answered ${answer.status}.`);
  const cookies = answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]);
  return { cookie: `Cookie: ${cookies.join("; ")}`, credential: `Authorization: Basic ${token}` };
}

async function answerOf(url: URL, path: string, field: string): Promise<string> {
  const [name = "", value = ""] = field.split(/: (.*)/s);
  const answer = await fetch(new URL(path, url), { headers: { [name]: value } });
  if (!answer.ok) throw new Error(`${path} was answered ${answer.status}.`);
  return answer.text();
}
