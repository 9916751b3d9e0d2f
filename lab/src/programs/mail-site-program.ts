import { createServer } from "node:net";
import { createInterface } from "node:readline";

/** `node mail-site-program.ts PORT`: as much of SMTP (RFC 5321) as one client needs; greets first, counts a letter's lines. */
const answers: Readonly<Record<string, string>> = { DATA: "354 go on", QUIT: "221 bye" };

createServer((socket) => {
  let linesOfLetter: number | null = null;
  socket.on("error", () => socket.destroy());
  socket.write("220 mail.lab.test ESMTP\r\n");
  createInterface(socket).on("line", (line) => {
    if (linesOfLetter === null) {
      const [verb = ""] = line.toUpperCase().split(" ");
      socket.write(`${answers[verb] ?? "250 fine"}\r\n`);
      if (verb === "DATA") linesOfLetter = 0;
      if (verb === "QUIT") socket.end();
    } else if (line === ".") {
      socket.write(`250 took ${linesOfLetter} lines\r\n`);
      linesOfLetter = null;
    } else linesOfLetter += 1;
  });
}).listen(Number(process.argv[2]), "::");
