import { connect } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";

/** A client on a thread of its own: what it is answered shows what is done while the gateway's thread stands still. */

const { port, head, heard } = z
  .object({ port: z.int(), head: z.string(), heard: z.instanceof(SharedArrayBuffer) })
  .parse(workerData);
const socket = connect({ port, host: "127.0.0.1" });
const signal = new Int32Array(heard);
socket.on("error", () => {});
socket.once("connect", () => parentPort?.postMessage("connected"));
socket.once("data", (answer: Buffer) => {
  parentPort?.postMessage(answer.toString("latin1"));
  Atomics.store(signal, 0, 1);
  Atomics.notify(signal, 0);
});
parentPort?.once("message", () => socket.write(head, "latin1"));
