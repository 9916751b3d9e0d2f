import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { int8s } from "./binary-arrays.ts";
import { runTogether, statement } from "./statement-batch.ts";
import { openTemporaryDatabase } from "./testing/temporary-database.ts";

describe.each(["pglite", "postgres"] as const)("statements together on %s", (kind) => {
  let database: Awaited<ReturnType<typeof openTemporaryDatabase>>;
  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(() => database.close());

  const put = (id: string) => statement`insert into usage_gateways (id) values (${id}::text)`;
  const fail = () => statement`select 1 / ${0}::int4`;
  const stored = async (...ids: string[]) => {
    const rows = await database.db.selectFrom("usage_gateways").select("id").where("id", "in", ids).execute();
    return rows.map(({ id }) => id).sort();
  };

  test("each answers with its own rows, and values arrive as they are", async () => {
    const bytes = Uint8Array.of(0, 1, 255);
    const answers = await runTogether(database.db, [
      statement<{ text: string; nothing: null; bytes: Uint8Array }>`
        select ${"it's \\ ü"}::text as text, ${null}::int4 as nothing, ${bytes}::bytea as bytes`,
      put("rows"),
      statement<{ big: bigint }>`select unnest(${int8s([1, 2 ** 40], (one) => one)}::int8[]) as big`,
    ]);
    const [first, none, bigs] = answers;
    expect(first.map((row) => ({ ...row, bytes: [...row.bytes] }))).toEqual([
      { text: "it's \\ ü", nothing: null, bytes: [0, 1, 255] },
    ]);
    expect(none).toEqual([]);
    expect(bigs).toEqual([{ big: 1n }, { big: 1_099_511_627_776n }]);
  });

  test("outside of a transaction they are one: a failure leaves nothing, and the next batch works", async () => {
    for (let round = 0; round < 3; round++) {
      await expect(runTogether(database.db, [put("alone"), fail(), put("after")])).rejects.toMatchObject({
        code: "22012",
      });
    }
    expect(await stored("alone", "after")).toEqual([]);
    await runTogether(database.db, [put("alone"), put("after")]);
    expect(await stored("alone", "after")).toEqual(["after", "alone"]);
  });

  test("a transaction is whole whether it ends with a batch or not, and what it throws undoes all of it", async () => {
    const { db } = database;
    await db.transaction().execute(async (transaction) => {
      await runTogether(transaction, [put("a1")]);
      await runTogether(transaction, [put("a2")], { thenCommit: true });
    });
    await db.transaction().execute((transaction) => runTogether(transaction, [put("b1")]));
    await db.transaction().execute(async (transaction) => {
      await transaction.insertInto("usage_gateways").values({ id: "c1" }).execute();
      await runTogether(transaction, [put("c2")], { thenCommit: true });
    });
    expect(await stored("a1", "a2", "b1", "c1", "c2")).toEqual(["a1", "a2", "b1", "c1", "c2"]);
    const failing = db.transaction().execute(async (transaction) => {
      await runTogether(transaction, [put("d1")]);
      await runTogether(transaction, [put("d2"), fail()], { thenCommit: true });
    });
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    const thrown = db.transaction().execute(async (transaction) => {
      await runTogether(transaction, [put("e1")]);
      throw new Error("no");
    });
    await expect(thrown).rejects.toThrow("no");
    await db.transaction().execute(async () => {});
    expect(await stored("d1", "d2", "e1")).toEqual([]);
    // The same connection serves on, in a transaction of its own.
    await db
      .transaction()
      .execute((transaction) => runTogether(transaction, [put("f1")], { thenCommit: true }));
    expect(await stored("f1")).toEqual(["f1"]);
  });
});
