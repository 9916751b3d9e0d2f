import { readFileSync } from "node:fs";
import { z } from "zod";
import { type Program, type ProgramPlace, sites } from "./program.ts";

const PORT = 5201;
const BYTES = 600_000_000;
const STREAMS = 4;
/** From the program to the tunnel, from there to the upstream, and on to the site. */
const CONNECTIONS = 3;

const sumSchema = z.object({ bytes: z.number(), bits_per_second: z.number() });
const reportSchema = z.object({
  error: z.string().optional(),
  end: z.object({ sum_sent: sumSchema, sum_received: sumSchema }).partial(),
});

/** TCP both ways, one stream and several; its server waits for a control connection, and data ones beside it. */
export const iperf3: Program = {
  name: "iperf3, TCP up and down",
  targets: [`${sites.speed.name}:${PORT}`],
  async serve({ outside }) {
    await outside(["iperf3", "-s", "-p", String(PORT)]).listening(PORT);
  },
  async use(place) {
    const seen: string[] = [];
    for (const streams of [1, STREAMS])
      for (const way of ["up", "down"] as const) seen.push(await measure(place, way, streams));
    return seen.join("; ");
  },
};

async function measure({ onMachine }: ProgramPlace, way: "up" | "down", streams: number): Promise<string> {
  const amount = ["-n", String(BYTES), "-P", String(streams)];
  const argv = ["iperf3", "-c", sites.speed.name, "-p", String(PORT), ...amount, "-J"];
  const printed = await onMachine(way === "up" ? argv : [...argv, "-R"]);
  const { error, end } = reportSchema.parse(JSON.parse(printed));
  const { sum_sent: sent, sum_received: received } = end;
  if (error !== undefined || sent === undefined || received === undefined)
    throw new Error(`iperf3 ${way} with ${streams} streams: ${error ?? "it reported no bytes"}.`);
  if (sent.bytes < BYTES || received.bytes < sent.bytes - streams * onItsWayMost())
    throw new Error(`iperf3 ${way}: ${sent.bytes} bytes sent, ${received.bytes} received, ${BYTES} wanted.`);
  const rate = received.bits_per_second / 1e9;
  return `${way}, ${streams} stream${streams === 1 ? "" : "s"}: ${rate.toFixed(2)} Gbit/s`;
}

/** iperf3 ends when all is sent, and counts nothing that is then in a connection's buffers, on either side of it. */
function onItsWayMost(): number {
  const mostOf = (buffer: string) =>
    Number(readFileSync(`/proc/sys/net/ipv4/${buffer}`, "utf8").trim().split(/\s+/).at(-1));
  return CONNECTIONS * (mostOf("tcp_wmem") + mostOf("tcp_rmem"));
}
