import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { expectHidden, expectSame, type Program, type ProgramPlace, sites } from "./program.ts";

const { shop, mail } = sites;
const here = (name: string) => join(import.meta.dirname, name);

const HTTP2_BYTES = 1_000_000;

/** What curl prints after a body, on a line of its own. */
const REPORT = "\\n%{http_code} %{http_version} %{size_download} %{num_connects}\\n";

function curl({ onMachine, authority }: ProgramPlace, ...argv: readonly string[]): Promise<string> {
  return onMachine(["curl", "-sS", "--max-time", "50", "--cacert", authority, "-w", REPORT, ...argv]);
}

export const curlHttp1: Program = {
  name: "curl, HTTP/1.1 over IPv4 and IPv6, plain and TLS",
  targets: [`${shop.name}:80`, `${shop.name}:443`],
  async use(place) {
    for (const family of ["-4", "-6"])
      for (const scheme of ["http", "https"]) {
        const printed = await curl(place, family, "--http1.1", `${scheme}://${shop.name}/address`);
        const [body = "", report] = printed.split("\n");
        expectHidden(body, shop.name);
        expectSame("curl's report", report, `200 1.1 ${body.length} 1`);
      }
    return "4 of 4 answered; the site saw another address";
  },
};

export const curlHttp2: Program = {
  name: "curl, HTTP/2",
  targets: [`${shop.name}:443`],
  async use(place) {
    const url = `https://${shop.name}/bytes/${HTTP2_BYTES}`;
    const streams = [1, 2, 3, 4].flatMap((each) => ["-o", "/dev/null", `${url}?${each}`]);
    const printed = await curl(place, "--http2", "--parallel", "--silent", ...streams);
    const reports = printed.split("\n").filter((line) => line !== "");
    const whole = `200 2 ${HTTP2_BYTES} `;
    const connects = reports.map((line) =>
      line.startsWith(whole) ? Number(line.slice(whole.length)) : Number.NaN,
    );
    // All by the one connection, which the first of them opened.
    expectSame("Connections of each stream", connects.sort().join(), "0,0,0,1");
    return `4 streams of ${HTTP2_BYTES} bytes by one connection`;
  },
};

const fallbackSchema = z.object({
  refusal: z.string().nullable(),
  afterMs: z.number(),
  answer: z.string(),
});

export const udpFirst: Program = {
  name: "a client that tries UDP 443 first",
  targets: [`${shop.name}:443`],
  async use({ onMachine, authority }) {
    const argv = [process.execPath, here("udp-first-program.ts"), shop.name, authority];
    const { refusal, afterMs, answer } = fallbackSchema.parse(JSON.parse(await onMachine(argv)));
    expectSame("What UDP 443 was answered with", refusal, "ECONNREFUSED");
    expectHidden(answer, shop.name);
    return `refused by ICMP after ${afterMs.toFixed(1)} ms, then answered over TCP`;
  },
};

const MAIL_PORT = 25;

/** The server speaks first: nothing that waits for the client's first byte gets this far. */
export const smtp: Program = {
  name: "curl, SMTP (the server speaks first)",
  targets: [`${mail.name}:${MAIL_PORT}`],
  async serve({ outside }) {
    await outside([process.execPath, here("mail-site-program.ts"), String(MAIL_PORT)]).listening(MAIL_PORT);
  },
  async use({ onMachine, folder }) {
    const letter = join(folder, "letter");
    const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at}\r\n`).join("");
    writeFileSync(letter, `Subject: there\r\n\r\n${lines}`);
    const people = ["--mail-from", "a@machine.lab.test", "--mail-rcpt", `b@${mail.name}`];
    const verbose = ["curl", "-sSv", "--max-time", "50", `smtp://${mail.name}:${MAIL_PORT}/machine.lab.test`];
    const argv = [...verbose, ...people, "-T", letter, "--stderr", "-"];
    const [, took] = /< 250 took (\d+) lines/.exec(await onMachine(argv)) ?? [];
    expectSame("Lines that the mail server took", took, "20002");
    return "a letter of 20,002 lines taken";
  },
};

const chatSchema = z.object({ heard: z.number(), wrong: z.number(), longestMs: z.number() });

export const chat: Program = {
  name: "a WebSocket chat of three, over TLS and plain",
  targets: [`${shop.name}:80`, `${shop.name}:443`],
  async use({ onMachine, authority }) {
    const argv = [process.execPath, here("chat-program.ts"), shop.name, authority];
    const { heard, wrong, longestMs } = chatSchema.parse(JSON.parse(await onMachine(argv)));
    expectSame("Words heard out of turn", wrong, 0);
    return `${heard} words heard in order, the slowest after ${longestMs.toFixed(0)} ms`;
  },
};
