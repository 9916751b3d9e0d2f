import { join } from "node:path";
import { z } from "zod";
import { expectSame, type Program, type ProgramPlace, sites } from "./program.ts";

const PORT = 8081;
const keystreamProgram = join(import.meta.dirname, "keystream.ts");
const siteProgram = join(import.meta.dirname, "bulk-site-program.ts");
const tookSchema = z.object({ bytes: z.number(), sha256: z.string() });
const base = `http://${sites.bulk.name}:${PORT}`;

/** Many bytes down and up by curl: what arrives must be what was sent, to the byte. */
export const transfer: Program = {
  name: "a large transfer down and up (curl, SHA-256)",
  targets: [`${sites.bulk.name}:${PORT}`],
  async serve({ outside }) {
    await outside([process.execPath, siteProgram, String(PORT)]).listening(PORT);
  },
  async use(place) {
    const down = await rate(place, () => download(place));
    const up = await rate(place, () => upload(place));
    return `${place.transferBytes} bytes each way, checksums alike; down ${down} MB/s, up ${up} MB/s`;
  },
};

/** At 8 MB/s; a transfer that is slower than that is no use to anybody. */
const timeoutFor = (bytes: number) => 60_000 + bytes / 8_000;

async function download({ onMachine, transferBytes }: ProgramPlace): Promise<void> {
  const path = `/1/${transferBytes}`;
  const script = `set -o pipefail; curl -sS --fail '${base}${path}' | sha256sum`;
  const printed = await onMachine(["bash", "-c", script], { timeoutMs: timeoutFor(transferBytes) });
  const sent = await onMachine(["curl", "-sS", "--fail", `${base}/sent${path}`]);
  expectSame("What came down", printed.split(" ")[0], sent);
}

async function upload({ onMachine, folder, transferBytes }: ProgramPlace): Promise<void> {
  const digest = join(folder, "sent-up");
  const source = `'${process.execPath}' '${keystreamProgram}' 2 ${transferBytes} 2>'${digest}'`;
  const upload = `curl -sS --fail -T - -H 'Expect:' '${base}/'`;
  const script = `set -o pipefail; ${source} | ${upload} && cat '${digest}'`;
  const printed = await onMachine(["bash", "-c", script], { timeoutMs: timeoutFor(transferBytes) });
  const [, answer = "", sent] = /^(\{.*\})(\w+)\s*$/.exec(printed) ?? [];
  const took = tookSchema.parse(JSON.parse(answer));
  expectSame("Bytes that went up", took.bytes, transferBytes);
  expectSame("What went up", took.sha256, sent);
}

async function rate({ transferBytes }: ProgramPlace, move: () => Promise<void>): Promise<string> {
  const begun = performance.now();
  await move();
  return (transferBytes / 1_000 / (performance.now() - begun)).toFixed(0);
}
