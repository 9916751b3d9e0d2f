import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { ExitSessions } from "./exit-sessions.ts";
import type { StickySession } from "./sticky-session.ts";
import { StoredSessions } from "./stored-sessions.ts";

const key = Buffer.alloc(32, 1);
const wish = (id: string, mode: "flex" | "strict" | "oneip" = "flex"): GatewayUsername => ({
  credential: "atl_a",
  exit: {},
  session: { id, lifetimeMinutes: 10, mode },
});
const facts = ({ key: own, number, expiresAt, lost, upstream }: StickySession) => ({
  own,
  number,
  expiresAt,
  lost,
  upstream,
});

describe.each(databaseKinds)("sessions of several gateway processes, on %s", (kind) => {
  let database: OpenDatabase;
  const processes: StoredSessions[] = [];

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(async () => {
    await Promise.all(processes.map((process) => process.close()));
    await database.close();
  });

  /** A process of its own, as far as sessions go: all that two share is the database. */
  function newProcess(clock = Date.now) {
    const shared = new StoredSessions({ db: database.db, logger: pino({ level: "silent" }) });
    processes.push(shared);
    const sessions = new ExitSessions({ clock, key, shared });
    return {
      sessions,
      async of(wished: GatewayUsername): Promise<StickySession> {
        const session = await sessions.of("a", wished);
        if (session === undefined) throw new Error("There is no session.");
        return session;
      },
    };
  }

  const age = (minutes: number) =>
    database.runRaw(`update exit_sessions set expires_at = expires_at - interval '${minutes} minutes'`);

  test("have one address and one end, also when all begin at one moment", async () => {
    const processes = Array.from({ length: 8 }, () => newProcess());
    const begun = await Promise.all(processes.flatMap(({ of }) => [of(wish("x")), of(wish("x"))]));
    expect(new Set(begun.map((session) => JSON.stringify(facts(session)))).size).toBe(1);
  });

  test("are asked for when they begin, and never for a connection", async () => {
    const one = newProcess();
    const wished = wish("asked");
    const first = await one.of(wished);
    expect(one.sessions.of("a", wished)).toBe(first);
    expect(one.sessions.of("a", wish("asked"))).toBe(first);
  });

  test("begin anew in all of them once they are over", async () => {
    const first = await newProcess().of(wish("over"));
    await age(11);
    const again = await Promise.all([newProcess().of(wish("over")), newProcess().of(wish("over"))]);
    expect(facts(again[0])).toEqual(facts(again[1]));
    expect(again[0].key).not.toBe(first.key);
    expect(again[0].number).toBe(1);
  });

  test("a move, a loss and the upstream are known to whoever comes later", async () => {
    const one = newProcess();
    const first = await one.of(wish("moved"));
    const moved = one.sessions.move(first);
    one.sessions.bind(moved, "other");
    await expect.poll(async () => facts(await newProcess().of(wish("moved")))).toEqual(facts(moved));
    // Another process that meets the same loss at the same time moves to the same address.
    const two = newProcess();
    const same = await two.of(wish("moved"));
    expect(two.sessions.move(same).key).toBe(one.sessions.move(moved).key);

    const strict = await one.of(wish("lost", "strict"));
    one.sessions.lose(strict);
    await expect.poll(async () => (await newProcess().of(wish("lost", "strict"))).lost).toBe(true);
    await age(11);
    expect((await newProcess().of(wish("lost", "strict"))).lost).toBe(false);
  });

  test("a move, a loss and the upstream reach a process that has the session already", async () => {
    const [one, two] = [newProcess(), newProcess()];
    const [first] = await Promise.all([one.of(wish("live")), two.of(wish("live"))]);
    const moved = one.sessions.move(first);
    one.sessions.bind(moved, "other");
    await expect
      .poll(async () => facts(await two.of(wish("live"))), { timeout: 5_000 })
      .toEqual(facts(moved));

    const [strict] = await Promise.all([one.of(wish("live", "strict")), two.of(wish("live", "strict"))]);
    one.sessions.lose(strict);
    await expect.poll(async () => (await two.of(wish("live", "strict"))).lost, { timeout: 5_000 }).toBe(true);
  });

  test("oneip: has the address of its first lifetime in all that follow", async () => {
    const first = await newProcess().of(wish("one", "oneip"));
    await age(11);
    const later = await newProcess().of(wish("one", "oneip"));
    expect(later.key).toBe(first.key);
    expect(later.expiresAt).toBeGreaterThan(Date.now());
  });
});
