import { isIP } from "node:net";
import { dialDirect } from "@atlantic/native";
import { DohClient } from "../dns/doh/doh-client.ts";
import { readAnswer } from "../dns/wire/answer.ts";
import { TYPE } from "../dns/wire/codes.ts";
import { writeQuery } from "../dns/wire/write-query.ts";
import type { Endpoint } from "../firewall/policy.ts";
import type { BootstrapLookup } from "./upstream-addresses.ts";

const TIMEOUT_MS = 5_000;

/** Where the bootstrap servers are: the rules must let marked sockets reach them. */
export function bootstrapEndpoints(urls: readonly string[]): Endpoint[] {
  return urls.map((url) => ({ ...placeOf(new URL(url)), protocol: "tcp" }));
}

/**
 * Asks servers of DNS over HTTPS, one after the other, from marked sockets. Their own names are never resolved: they
 * are addresses.
 */
export function bootstrapLookup(urls: readonly string[], mark: number): BootstrapLookup {
  return async (name) => {
    let failure: unknown = new Error(
      `Nobody may be asked where ${name} is: give its addresses, or bootstrap servers, in the configuration.`,
    );
    for (const url of urls) {
      const { address, port } = placeOf(new URL(url));
      const dial = () => dialDirect({ host: address, port, mark, timeoutMs: TIMEOUT_MS });
      const client = new DohClient({ server: { name: address, url }, dial });
      try {
        const found = await Promise.all([ask(client, name, TYPE.A), ask(client, name, TYPE.AAAA)]);
        if (found.flat().length > 0) return found.flat();
        failure = new Error(`${address} knows no address of ${name}.`);
      } catch (error) {
        failure = error;
      } finally {
        client.close();
      }
    }
    throw failure;
  };
}

async function ask(client: DohClient, name: string, type: number): Promise<string[]> {
  const wanted = { name: name.toLowerCase(), type, dnssec: false, unchecked: false };
  const query = writeQuery(wanted);
  if (query === undefined) return [];
  const { message: bytes } = await client.ask(query, AbortSignal.timeout(TIMEOUT_MS));
  const answer = readAnswer(bytes, wanted);
  if (answer === undefined) throw new Error("A bootstrap server answered something else than it was asked.");
  const { message, records } = answer;
  return records
    .filter((record) => record.section === "answer" && record.type === type)
    .map(({ dataAt, end }) => addressIn(message.subarray(dataAt, end)))
    .filter((address) => isIP(address) !== 0);
}

function addressIn(data: Buffer): string {
  if (data.length === 4) return data.join(".");
  return data.length === 16 ? (data.toString("hex").match(/.{4}/g) ?? []).join(":") : "";
}

function placeOf(url: URL): { address: string; port: number } {
  const address = url.hostname.replace(/^\[|\]$/g, "");
  return { address, port: url.port === "" ? 443 : Number(url.port) };
}
