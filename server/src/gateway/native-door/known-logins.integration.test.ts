import { createServer } from "node:net";
import { carrierEngine } from "@atlantic/native";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { rawClient } from "../testing/raw-client.ts";

const WELCOME = [5, 2];
const LOGGED_IN = [1, 0];
const GRANTED = 0;
const AUTHENTICATION = 1;

describe.runIf(carrierEngine() !== null)("a login of SOCKS5 that was right just now", () => {
  let fixture: GatewayFixture;
  let port = 0;
  const origin = createServer((socket) => void socket.on("error", () => {}).end("hello"));

  beforeAll(async () => {
    await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
    const address = origin.address();
    port = typeof address === "object" && address ? address.port : 0;
    fixture = await startGatewayFixture();
  });
  afterAll(async () => {
    origin.close();
    await fixture.close();
  });

  function login(password = fixture.account.password): Buffer {
    const [user, secret] = [Buffer.from(fixture.account.username), Buffer.from(password)];
    return Buffer.from([1, user.length, ...user, secret.length, ...secret]);
  }
  const request = () => Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]);

  /** Says one message after the other, each when the one before is answered. @returns all answers up to the request's */
  async function dialogue(words = login(), together = false): Promise<Buffer> {
    const client = await rawClient(fixture.gateway.port);
    client.send(Buffer.from([5, 1, 2]));
    await client.until((heard) => heard.length >= 2);
    if (together) client.send(Buffer.concat([words, request()]));
    else {
      client.send(words);
      await client.until((heard) => heard.length >= 4);
      client.send(request());
    }
    const heard = await client.until((bytes) => bytes.length >= 14);
    client.socket.destroy();
    return heard;
  }
  const granted = [...WELCOME, ...LOGGED_IN, 5, GRANTED];

  it("opens tunnels as ever, said in pieces or with the request behind it", async () => {
    for (const together of [false, false, true, true, false])
      expect([...(await dialogue(login(), together)).subarray(0, 6)]).toEqual(granted);
  });

  it("makes no other login right", async () => {
    await dialogue();
    const client = await rawClient(fixture.gateway.port);
    client.send(Buffer.concat([Buffer.from([5, 1, 2])]));
    await client.until((heard) => heard.length >= 2);
    client.send(login(`${fixture.account.password}x`));
    expect([...Buffer.from(await client.ended(), "latin1")]).toEqual([...WELCOME, 1, 1]);
    client.socket.end();
  });

  it("opens nothing once it is revoked: its request is refused", async () => {
    await dialogue();
    const client = await rawClient(fixture.gateway.port);
    client.send(Buffer.from([5, 1, 2]));
    await client.until((heard) => heard.length >= 2);
    client.send(login());
    await client.until((heard) => heard.length >= 4);
    const { id } = await fixture.database.db
      .updateTable("proxy_credentials")
      .set({ revoked_at: new Date() })
      .returning("id")
      .executeTakeFirstOrThrow();
    fixture.gateway.disconnectCredential(id);
    client.send(request());
    const heard = await client.until((bytes) => bytes.length >= 6);
    expect([...heard.subarray(0, 6)]).toEqual([...WELCOME, ...LOGGED_IN, 5, AUTHENTICATION]);
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
  });
});
