import { expect, test } from "vitest";
import { Authenticator } from "../authenticator.ts";
import type { GatewayCredential } from "../credential.ts";
import { SocksDialogue } from "./socks-dialogue.ts";

const CONNECT = Buffer.from([5, 1, 0, 1, 8, 8, 8, 8, 0, 80]);
const known: GatewayCredential = { id: "atl_aaaaaaaa", userId: "ada" };

/** What a client hears that says `bytes` from `address`, and what it asked for in the end. */
async function dialogue(bytes: Buffer, address: string, late: boolean): Promise<(string | undefined)[]> {
  const byAddress = (client: string) => (client === "8.8.4.4" ? known : undefined);
  const authenticator = new Authenticator(
    {
      verify: () => undefined,
      forget: () => {},
      byAddress: (client) => (late ? Promise.resolve(byAddress(client)) : byAddress(client)),
    },
    Date.now,
  );
  const heard: (string | undefined)[] = [];
  await new Promise<void>((resolve) => {
    const talk = new SocksDialogue(authenticator, address, {
      onAnswer: (answer) => heard.push(answer.toString("hex")),
      onMore: () => {},
      onRequest: ({ credential }, { command, host, port }, rest) => {
        heard.push(`${credential.id} ${command} ${host}:${port} ${rest.toString()}`);
        resolve();
      },
      onRefused: (lastWords, error) => {
        heard.push(lastWords.toString("hex"), error?.code);
        resolve();
      },
    });
    talk.hear(bytes);
  });
  return heard;
}

const showsNothing = Buffer.concat([Buffer.from([5, 1, 0]), CONNECT, Buffer.from("early")]);
const showsBoth = Buffer.concat([Buffer.from([5, 2, 0, 2, 1, 1, 120, 1, 120]), CONNECT]);

test.each([false, true])("a client of a listed address needs no login (answer late: %s)", async (late) => {
  expect(await dialogue(showsNothing, "8.8.4.4", late)).toEqual([
    "0500",
    "atl_aaaaaaaa connect 8.8.8.8:80 early",
  ]);
});

test.each([false, true])("nobody else gets in without one (answer late: %s)", async (late) => {
  expect(await dialogue(showsNothing, "8.8.4.5", late)).toEqual(["05ff", undefined]);
});

test("a client that can log in is asked to", async () => {
  expect(await dialogue(showsBoth, "8.8.4.4", false)).toEqual(["0502", "0101", "wrong_credentials"]);
});
