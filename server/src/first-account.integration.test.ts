import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Auth, createAuth } from "./auth/auth.ts";
import { hashPassword } from "./auth/password-hash.ts";
import { createMemoryCache } from "./cache/memory-cache.ts";
import type { OpenDatabase } from "./db/open.ts";
import { openTemporaryDatabase } from "./db/testing/temporary-database.ts";
import { openFirstAccount } from "./first-account.ts";

let database: OpenDatabase;
let auth: Auth;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-first-"));
  database = await openTemporaryDatabase("pglite");
  auth = createAuth({
    db: database.db,
    cache: createMemoryCache(),
    secret: "0".repeat(64),
    webUrl: "http://localhost:3000",
    signUp: { open: true, allowanceBytes: 0n },
    onSessionsChanged: () => {},
    log: () => {},
  });
});
afterAll(async () => {
  await database.close();
  await rm(directory, { recursive: true, force: true });
});

test("a password that an earlier version made and showed nobody is forgotten; one that was set stays", async () => {
  const open = () =>
    openFirstAccount({ db: database.db, auth, credentialKey: new Uint8Array(32), directory });
  const passwords = () => database.db.selectFrom("account").select("password").execute();
  const first = await open();
  const userId = first?.userId ?? "";
  expect(await passwords()).toEqual([]);

  const file = join(directory, "first-account.json");
  const kept = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...kept, password: "made by a machine" }));
  const { internalAdapter } = await auth.$context;
  const link = async (password: string) =>
    internalAdapter.linkAccount({
      userId,
      providerId: "credential",
      accountId: userId,
      password: await hashPassword(password),
    });
  await link("made by a machine");
  expect(await open()).toMatchObject({ userId, credential: first?.credential });
  expect(await passwords()).toEqual([]);

  await link("set by a person");
  await open();
  expect(await passwords()).toHaveLength(1);
});
