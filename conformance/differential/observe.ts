import { setTimeout as delay } from "node:timers/promises";
import { Finding } from "../src/finding.ts";
import { Probe } from "../src/probe.ts";
import type { Subject } from "../src/subject.ts";
import { type FieldLine, type Message, readRequest, readResponse } from "../src/wire/message.ts";
import type { Origin } from "../src/wire/origin.ts";
import type { GeneratedExchange } from "./exchange-arbitrary.ts";

/** What one side of an exchange saw; fields as a map, each with all its values in their order. */
export interface Seen {
  readonly startLine: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: string;
  readonly complete: boolean;
  readonly trailers: string;
}

/** An exchange through one proxy, from both ends. */
export interface Observation {
  /** null: nothing was sent on. */
  readonly origin: Seen | null;
  /** null: closed without an answer. Interim answers are told by `interim`. */
  readonly client: Seen | null;
  readonly interim: readonly number[];
  /** What could not be read on the way; then it is all that is known. */
  readonly broken: string | null;
}

const PATIENCE_MS = 1_500;

/** Sends one exchange through a proxy. The origin is the caller's, so that both proxies are asked for the same address. */
export async function observe(
  subject: Subject,
  origin: Origin,
  exchange: GeneratedExchange,
): Promise<Observation> {
  const probe = new Probe(subject);
  const client = await probe.client();
  client.send(fill(exchange.request, origin).replace("\0\r\n", `${probe.auth}\r\n`));
  const interim: number[] = [];
  let seen: Seen | null = null;
  let answered: Seen | null = null;
  try {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const response = readResponse(client.unread, {
        bodiless: exchange.method === "HEAD",
        over: client.end !== null,
      });
      if (response && response.status < 200) {
        interim.push(response.status);
        await client.response();
        continue;
      }
      if (response) {
        answered = asSeen(response);
        break;
      }
      if (client.end !== null) break;
      const target = origin.wires.find(({ unread }) => unread.length > 0);
      const request = target && readRequest(target.unread);
      if (target && request) {
        await target.request();
        seen = asSeen(request);
        if (exchange.answerEnds) target.finish(exchange.answer);
        else target.send(exchange.answer);
      }
      if (Date.now() > deadline) throw new Finding("It took too long.");
      await delay(1);
    }
    return { origin: seen, client: answered, interim, broken: null };
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    return { origin: seen, client: answered, interim, broken: error.message };
  } finally {
    probe.close();
    // Bytes that are left on a connection must not be taken for the next request.
    for (const wire of origin.wires.filter(({ unread, end }) => unread.length > 0 || end !== null)) {
      wire.reset();
      origin.wires.splice(origin.wires.indexOf(wire), 1);
    }
  }
}

/** A user name in the URL is written `user@@`, which is the name, an at sign and the authority. */
export function fill(text: string, origin: Origin): string {
  return text
    .split("@@")
    .map((part) => part.replaceAll("@", origin.authority))
    .join(`@${origin.authority}`);
}

function asSeen(message: Message): Seen {
  const names = new Set(message.fields.map(([name]) => name));
  return {
    startLine: message.startLine,
    fields: Object.fromEntries([...names].sort().map((name) => [name, valuesOf(message.fields, name)])),
    body: message.body.toString("latin1"),
    complete: message.complete,
    trailers: message.trailers.map(([name, value]) => `${name}: ${value}`).join(", "),
  };
}

function valuesOf(fields: readonly FieldLine[], name: string): string {
  return fields
    .filter(([each]) => each === name)
    .map(([, value]) => value)
    .join(", ");
}
