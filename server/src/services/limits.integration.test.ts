import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { readCredential } from "../gateway/limits/read-credentials.ts";
import { createAccount } from "../gateway/testing/gateway-fixture.ts";
import type { Caller } from "./caller.ts";
import type { Limits } from "./limits.ts";
import { createServices, type Services } from "./services.ts";
import { noGateway } from "./testing/no-gateway.ts";

const none: Limits = {
  credentialId: null,
  requestsPerSecond: null,
  bandwidthLimit: null,
  connections: null,
  allowedPorts: null,
  allowedTargets: null,
  blockedTargets: [],
};

describe.each(databaseKinds)("limits on %s", (kind) => {
  let database: OpenDatabase;
  let services: Services;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
    services = createServices({
      db: database.db,
      credentialKey: Buffer.alloc(32, 1),
      gateway: noGateway,
      gatewayAddress: () => ({ host: "127.0.0.1", port: 7777 }),
      now: () => new Date(),
    });
  });
  afterAll(() => database.close());

  async function member() {
    const { userId, username } = await createAccount(database.db);
    const caller: Caller = {
      principal: { kind: "session", userId, sessionId: "s" },
      address: "198.51.100.1",
      userAgent: null,
      requestId: null,
    };
    const effective = async () => (await readCredential(database.db, username))?.settings;
    return { userId, credentialId: username, caller, effective };
  }

  test("of an account hold for its credentials, and a credential's own field by field above them", async () => {
    const { caller, credentialId, effective } = await member();
    expect(await services.limits.get(caller, null)).toEqual(none);
    await services.limits.set(caller, {
      ...none,
      requestsPerSecond: 5,
      bandwidthLimit: 1_000_000n,
      connections: 9,
      allowedPorts: ["443", "8000-8999"],
      blockedTargets: ["*.Example.com"],
    });
    const own: Limits = {
      ...none,
      credentialId,
      requestsPerSecond: "unlimited",
      connections: 2,
      blockedTargets: ["198.51.100.0/24"],
    };
    expect(await services.limits.set(caller, own)).toEqual(own);
    expect(await services.limits.get(caller, credentialId)).toEqual(own);
    expect(await effective()).toMatchObject({
      requestsPerSecond: null,
      bytesPerSecond: 1_000_000,
      connections: 2,
    });
    const targets = (await effective())?.targets;
    expect(targets?.refusal("a.example.com", 443)).toContain("*.example.com");
    expect(targets?.refusal("198.51.100.9", 443)).toContain("198.51.100.0/24");
    expect(targets?.refusal("other.test", 443)).toBeUndefined();
    expect(targets?.refusal("other.test", 80)).toContain("Port 80");
  });

  test("that cannot be are refused with the name of what was wrong, and change nothing", async () => {
    const { caller, credentialId } = await member();
    const refused = (changes: Partial<Limits>) =>
      expect(services.limits.set(caller, { ...none, ...changes })).rejects;
    await refused({ allowedPorts: ["99999"] }).toThrow(/^allowedPorts: "99999" is not a port/);
    await refused({ allowedTargets: ["http://x/"] }).toThrow(
      /^allowedTargets: "http:\/\/x\/" is not a target/,
    );
    await refused({ blockedTargets: ["010.1.1.1"] }).toThrow(/^blockedTargets: /);
    await refused({ connections: "unlimited" }).toThrow(/^connections: for the account itself/);
    await refused({ credentialId: "atl_00000000" }).toThrow(/no such credential/);
    expect(await services.limits.get(caller, null)).toEqual(none);
    expect(await services.limits.get(caller, credentialId)).toEqual({ ...none, credentialId });
  });

  test("of another account's credential are not there, to read or to change", async () => {
    const { caller } = await member();
    const { credentialId } = await member();
    const asks = [
      () => services.limits.get(caller, credentialId),
      () => services.limits.set(caller, { ...none, credentialId }),
      () => services.addresses.get(caller, credentialId),
      () => services.addresses.set(caller, { credentialId, method: "password", addresses: [] }),
      () => services.customHeaders.get(caller, credentialId),
      () => services.customHeaders.set(caller, credentialId, []),
    ];
    for (const ask of asks) await expect(ask()).rejects.toMatchObject({ code: "not_found" });
  });

  test("no address list can be written that lets strangers in", async () => {
    const { caller, credentialId } = await member();
    const set = (method: "address" | "password_and_address", ...addresses: string[]) =>
      services.addresses.set(caller, { credentialId, method, addresses });
    for (const open of [
      "0.0.0.0/0",
      "::/0",
      "0.0.0.0/1",
      "128.0.0.0/1",
      "8.0.0.0/15",
      "2000::/16",
      "127.0.0.1",
    ]) {
      await expect(set("address", open), open).rejects.toThrow(/^addresses: /);
      await expect(set("password_and_address", open), open).rejects.toThrow(/^addresses: /);
    }
    for (const open of [
      "::1",
      "::ffff:0:0/96",
      "127.0.0.0/16",
      "0.0.0.0",
      "169.254.0.0/16",
      "nonsense",
      "1.2.3",
    ]) {
      await expect(set("password_and_address", open), open).rejects.toThrow(/^addresses: /);
    }
    await expect(set("address", "192.168.0.0/16")).rejects.toThrow(/private range/);
    await expect(set("address")).rejects.toThrow(/at least one/);
    expect((await services.addresses.get(caller, credentialId)).method).toBe("password");
    expect((await set("password_and_address", "192.168.1.77/24")).addresses).toEqual(["192.168.1.0/24"]);
    expect((await set("address", "8.8.8.8", "8.8.8.8/32", "2a00:1450::/32")).addresses).toEqual([
      "8.8.8.8",
      "2a00:1450::/32",
    ]);
  });

  test("header fields are kept in order, a credential's above the account's, and none that frames a message", async () => {
    const { caller, credentialId, effective } = await member();
    const field = (name: string, value: string, enabled = true) => ({ name, value, enabled });
    const fields = [field("X-Team", "red"), field("X-Off", "x", false), field("Accept-Language", "de")];
    await services.customHeaders.set(caller, null, fields);
    expect(await services.customHeaders.get(caller, null)).toEqual(fields);
    await services.customHeaders.set(caller, credentialId, [field("x-team", "blue")]);
    const added = (await effective())?.addedFields;
    expect([...(added?.names ?? [])].sort()).toEqual(["accept-language", "x-team"]);
    expect(added?.bytes.toString()).toContain("x-team: blue\r\n");
    expect(added?.bytes.toString()).not.toContain("red");
    for (const name of [
      "Host",
      "Content-Length",
      "Transfer-Encoding",
      "Connection",
      "Proxy-Authorization",
      "a b",
    ]) {
      await expect(services.customHeaders.set(caller, null, [field(name, "x")]), name).rejects.toThrow(
        /^headers: /,
      );
    }
    await expect(services.customHeaders.set(caller, null, [field("X-A", "x\r\nHost: y")])).rejects.toThrow(
      /^headers: /,
    );
    await expect(
      services.customHeaders.set(caller, null, [field("X-A", "1"), field("x-a", "2")]),
    ).rejects.toThrow(/twice/);
  });

  test("changes are in the audit log, header values are not", async () => {
    const { caller, credentialId, userId } = await member();
    await services.limits.set(caller, { ...none, connections: 7 });
    await services.addresses.set(caller, { credentialId, method: "address", addresses: ["8.8.8.8"] });
    await services.customHeaders.set(caller, null, [{ name: "X-Key", value: "secret-value", enabled: true }]);
    await services.sessionSettings.set(caller, { enabled: true, minutes: 30, mode: "strict" });
    expect(await services.sessionSettings.get(caller)).toEqual({
      enabled: true,
      minutes: 30,
      mode: "strict",
    });
    const entries = await database.db
      .selectFrom("audit_log")
      .selectAll()
      .where("user_id", "=", userId)
      .orderBy("id")
      .execute();
    expect(entries.map(({ action }) => action)).toEqual([
      "limits.changed",
      "addresses.changed",
      "headers.changed",
      "sessions.changed",
    ]);
    expect(JSON.stringify(entries.map(({ details }) => details))).not.toContain("secret-value");
  });
});
