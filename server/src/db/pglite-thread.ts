import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";
import { BINARY_ARRAY_TYPES } from "./binary-arrays.ts";
import { PgliteBatches } from "./pglite-batches.ts";
import type { PgliteAnswer, PgliteRequest, PgliteStart } from "./pglite-messages.ts";
import { pgliteParsers } from "./value-parsers.ts";

/**
 * The thread in which PGlite works: a write of many rows takes tens of milliseconds, in which the main thread goes on
 * serving. Requests are done one after the other, in the order in which they come.
 */
const port = parentPort;
if (port === null) throw new Error("This is the program of a worker thread.");
const { dataDirectory, program, settings }: PgliteStart = workerData;

const pglite = await PGlite.create({
  dataDir: dataDirectory,
  parsers: pgliteParsers,
  pgliteWasmModule: program,
  startParams: [...PGlite.defaultStartParams, ...settings],
});
acceptBinaryArrays(pglite.serializers);
const batches = new PgliteBatches(pglite);

/** What `pg` makes of an int8. */
const AS_TEXT = { parsers: { 20: (value: string) => value } };

let last: Promise<void> = Promise.resolve();
port.on("message", (request: PgliteRequest) => {
  last = last.then(() => answer(request));
});
port.postMessage({ kind: "ready" } satisfies PgliteAnswer);

async function answer(request: PgliteRequest): Promise<void> {
  try {
    port?.postMessage({ kind: "done", id: request.id, result: await run(request) } satisfies PgliteAnswer);
  } catch (error) {
    port?.postMessage({ kind: "failed", id: request.id, error: plain(error) } satisfies PgliteAnswer);
  }
}

async function run(request: PgliteRequest): Promise<unknown> {
  switch (request.kind) {
    case "query":
      return pglite.query(request.text, [...request.values], request.int8AsText ? AS_TEXT : undefined);
    case "batch":
      return batches.run(request.statements);
    case "exec":
      return pglite.exec(request.text, request.int8AsText ? AS_TEXT : undefined);
    case "listen":
      return listen(request.channel);
    case "unlisten":
      return pglite.unlisten(request.channel);
    case "close":
      return pglite.close();
  }
}

async function listen(channel: string): Promise<void> {
  await pglite.listen(channel, (payload) =>
    port?.postMessage({ kind: "notification", channel, payload } satisfies PgliteAnswer),
  );
}

/** What of a driver's error survives a message between threads. */
function plain(error: unknown): { message: string; fields: Record<string, unknown> } {
  if (!(error instanceof Error)) return { message: String(error), fields: {} };
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(error)) {
    // The query and its values are the caller's, and values are nobody else's business.
    if (typeof value === "string" || typeof value === "number") fields[name] = value;
  }
  delete fields.query;
  return { message: error.message, fields };
}

/** Where bytes are given for an array, they are the array as Postgres takes it in binary. */
function acceptBinaryArrays(serializers: Record<number | string, (value: unknown) => unknown>): void {
  for (const type of BINARY_ARRAY_TYPES) {
    const asText = serializers[type];
    if (asText) serializers[type] = (value) => (ArrayBuffer.isView(value) ? value : asText(value));
  }
}
