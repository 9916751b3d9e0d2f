import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectSame, type Program, sites } from "./program.ts";

const { mail } = sites;
const PORT = 25;
const LINES = 20_000;
const site = join(import.meta.dirname, "mail-site-program.ts");

/** The server speaks first: nothing that waits for the client's first byte gets this far. */
export const smtp: Program = {
  name: "curl, SMTP (the server speaks first)",
  targets: [`${mail.name}:${PORT}`],
  async serve({ outside }) {
    await outside([process.execPath, site, String(PORT)]).listening(PORT);
  },
  async use({ onMachine, folder }) {
    const letter = join(folder, "letter");
    const lines = Array.from({ length: LINES }, (_, at) => `line ${at}\r\n`).join("");
    writeFileSync(letter, `Subject: there\r\n\r\n${lines}`);
    const people = ["--mail-from", "a@machine.lab.test", "--mail-rcpt", `b@${mail.name}`];
    const verbose = ["curl", "-sSv", "--max-time", "50", `smtp://${mail.name}:${PORT}/machine.lab.test`];
    const argv = [...verbose, ...people, "-T", letter, "--stderr", "-"];
    const [, took] = /< 250 took (\d+) lines/.exec(await onMachine(argv)) ?? [];
    // The subject and the line that ends the header are lines as well.
    expectSame("Lines that the mail server took", took, String(LINES + 2));
    return `a letter of ${LINES + 2} lines taken`;
  },
};
