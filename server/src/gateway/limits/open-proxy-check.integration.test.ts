import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../../db/open.ts";
import { openTemporaryDatabase } from "../../db/testing/temporary-database.ts";
import type { CredentialVerifier } from "../credential.ts";
import { StoredCredentials } from "../stored-credentials.ts";
import { createAccount, HMAC_KEY } from "../testing/gateway-fixture.ts";
import { startLimitedGateway } from "../testing/limited-gateway.ts";
import { OpenProxyError, refuseOpenProxy } from "./open-proxy-check.ts";

describe("a gateway on a public address", () => {
  let database: OpenDatabase;
  beforeAll(async () => {
    database = await openTemporaryDatabase("pglite");
  });
  afterAll(() => database.close());

  const nobody = { verify: () => undefined, forget: () => {} };
  const anybody = { id: "atl_a", userId: "u" };

  test.each<[string, CredentialVerifier]>([
    ["every login", { ...nobody, verify: () => anybody }],
    ["every login later", { ...nobody, verify: () => Promise.resolve(anybody) }],
    ["an empty password", { ...nobody, verify: (_, password) => (password === "" ? anybody : undefined) }],
    ["every address", { ...nobody, byAddress: () => anybody }],
    ["a wide list", { ...nobody, openings: async () => ["atl_a: 0.0.0.0/0 is too wide."] }],
  ])("that would let in %s does not start", async (_, credentials) => {
    await expect(startLimitedGateway(database, { host: "0.0.0.0", credentials })).rejects.toThrow(
      OpenProxyError,
    );
    await expect(refuseOpenProxy("::", credentials)).rejects.toThrow(OpenProxyError);
    await expect(refuseOpenProxy("gateway.example", credentials)).rejects.toThrow(OpenProxyError);
    await refuseOpenProxy("127.0.0.1", credentials);
  });

  test("with stored credentials starts, until a list in the database is open to strangers", async () => {
    const gateway = await startLimitedGateway(database, { host: "0.0.0.0" });
    await gateway.close();
    const { userId, username } = await createAccount(database.db);
    const credentials = new StoredCredentials({ db: database.db, key: HMAC_KEY });
    const list = (entry: string) =>
      database.db
        .insertInto("proxy_authentication")
        .values({
          user_id: userId,
          username,
          auth_method: "address",
          allowed_addresses: JSON.stringify([entry]),
        })
        .onConflict((on) => on.column("username").doUpdateSet({ allowed_addresses: JSON.stringify([entry]) }))
        .execute();
    await list("8.8.8.8");
    await refuseOpenProxy("0.0.0.0", credentials);
    for (const open of ["0.0.0.0/0", "::/0", "127.0.0.1", "10.0.0.0/16"]) {
      await list(open);
      await expect(refuseOpenProxy("0.0.0.0", credentials), open).rejects.toThrow();
    }
  });
});
