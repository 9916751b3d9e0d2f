import { hash, verify } from "node:crypto";
import { type ReceiptCryptography, ReceiptVerifier } from "@atlantic/shared/receipts/receipt-verifier.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { createAccount, type TestAccount } from "../gateway/testing/gateway-fixture.ts";
import type { Caller } from "../services/caller.ts";
import { ReceiptService } from "../services/receipts.ts";
import { closeLost } from "./close-lost.ts";
import { foldUsage } from "./fold-usage.ts";
import { ReceiptKey } from "./receipt-key.ts";
import { nextEvent, onlyEvent, someConnections } from "./testing/usage-load.ts";

const GATEWAYS = ["7d3c0a3e-0000-4000-8000-000000000001", "7d3c0a3e-0000-4000-8000-000000000002"] as const;
const NOW = Date.UTC(2026, 10, 23, 12, 30);
const key = new ReceiptKey(Buffer.alloc(32, 3));
const cryptography: ReceiptCryptography = {
  sha256: (text) => hash("sha256", text, "hex"),
  verify: (publicKey, text, signature) =>
    verify(
      null,
      Buffer.from(text),
      {
        key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey, "base64").toString("base64url") },
        format: "jwk",
      },
      Buffer.from(signature, "base64"),
    ),
};

describe.each(databaseKinds)("receipts on %s", (kind) => {
  let database: OpenDatabase;
  let receipts: ReceiptService;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
    receipts = new ReceiptService({ db: database.db, key, now: () => new Date(NOW) });
  });
  afterAll(() => database.close());

  const callerOf = ({ userId }: TestAccount): Caller => ({
    principal: { kind: "session", userId, sessionId: "s" },
    address: null,
    userAgent: null,
    requestId: null,
  });

  async function fileOf(account: TestAccount, span = {}): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of await receipts.file(callerOf(account), account.username, span)) lines.push(line);
    return lines;
  }

  function verdictOn(lines: readonly string[]) {
    const verifier = new ReceiptVerifier(cryptography, key.publicKey);
    for (const line of lines) verifier.line(line);
    return verifier.end();
  }

  test("of several gateways at once are one chain without gaps, and come to what was charged", async () => {
    const account = await createAccount(database.db);
    const folds = GATEWAYS.flatMap((gateway) =>
      Array.from({ length: 5 }, () => ({ gateway, connections: someConnections(40, [account], NOW) })),
    );
    await Promise.all(
      folds.map(({ gateway, connections }) =>
        foldUsage(
          database.db,
          gateway,
          connections.map((one) => onlyEvent(one, NOW + 1)),
        ),
      ),
    );
    const verdict = verdictOn(await fileOf(account));
    expect(verdict).toMatchObject({ problems: [], receipts: 400, firstNumber: 1, lastNumber: 400 });
    const { used_bytes } = await database.db
      .selectFrom("traffic_balances")
      .select("used_bytes")
      .where("user_id", "=", account.userId)
      .executeTakeFirstOrThrow();
    expect(BigInt(verdict.totals.sentBytes) + BigInt(verdict.totals.receivedBytes)).toBe(used_bytes);
  });

  test("of connections whose gateway was lost say what was stored, and nothing is counted after them", async () => {
    const account = await createAccount(database.db);
    const [lost, last] = someConnections(2, [account], NOW);
    if (!lost || !last) throw new Error("no connections");
    const { epoch } = await foldUsage(database.db, GATEWAYS[0], [nextEvent(lost, 1, NOW)]);
    await foldUsage(database.db, GATEWAYS[0], [
      { ...nextEvent(lost, 2, NOW + 5), base: { totals: nextEvent(lost, 1, NOW).totals, epoch } },
    ]);
    expect(await closeLost(database.db, { kind: "of", gatewayId: GATEWAYS[0] })).toBe(1);
    const late = { ...nextEvent(lost, 3, NOW + 9), base: { totals: nextEvent(lost, 2, NOW).totals, epoch } };
    const outcome = await foldUsage(database.db, GATEWAYS[0], [late, onlyEvent(last, NOW + 10)]);
    expect(outcome.closedElsewhere).toEqual([lost.id]);
    const lines = await fileOf(account);
    expect(verdictOn(lines)).toMatchObject({ problems: [], receipts: 2 });
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({
      outcome: "gateway_lost",
      closedAt: NOW + 5,
      sentBytes: String(nextEvent(lost, 2, NOW).totals.sentBytes),
    });
  });

  test("can be had for a span of time, whole and in order, and a list goes on where it ended", async () => {
    const account = await createAccount(database.db);
    const connections = someConnections(9, [account], NOW);
    for (const [index, one] of connections.entries()) {
      await foldUsage(database.db, GATEWAYS[0], [onlyEvent(one, NOW + index)]);
    }
    const verdict = verdictOn(await fileOf(account, { from: new Date(NOW + 3), until: new Date(NOW + 6) }));
    expect(verdict).toMatchObject({ problems: [], firstNumber: 4, lastNumber: 6 });
    expect(verdictOn(await fileOf(account, { from: new Date(NOW + 60) }))).toMatchObject({
      problems: [],
      receipts: 0,
    });
    const asked = { credentialId: account.username, limit: 4 };
    const first = await receipts.list(callerOf(account), { ...asked, after: 0 });
    const second = await receipts.list(callerOf(account), { ...asked, after: first.next ?? 0 });
    const third = await receipts.list(callerOf(account), { ...asked, after: second.next ?? 0 });
    expect([first, second, third].flatMap((page) => page.receipts.map(({ number }) => number))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    expect(third.next).toBeNull();
  });

  test("are their owner's alone", async () => {
    const [owner, stranger] = [await createAccount(database.db), await createAccount(database.db)];
    await expect(receipts.file(callerOf(stranger), owner.username, {})).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("that were changed in the database show it", async () => {
    const account = await createAccount(database.db);
    const connections = someConnections(3, [account], NOW);
    await foldUsage(
      database.db,
      GATEWAYS[0],
      connections.map((one) => onlyEvent(one, NOW)),
    );
    await database.db
      .updateTable("proxy_connections")
      .set({ sent_bytes: 1n })
      .where("id", "=", connections[1]?.id ?? "")
      .execute();
    expect(verdictOn(await fileOf(account)).problems[0]).toMatchObject({ line: 3, kind: "changed" });
  });
});
