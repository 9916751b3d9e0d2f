import { once } from "node:events";
import { readFileSync } from "node:fs";
import { WebSocket } from "ws";

/**
 * `node chat-program.ts NAME AUTHORITY`: three people in the room `/chat`, two over TLS and one without; each says 50
 * words, each when the one before was heard by all. Prints how many were heard, and how many not as they were said.
 */
const [name = "", authority = ""] = process.argv.slice(2);
const WORDS = 50;

const ca = readFileSync(authority);
const urls = [`wss://${name}/chat`, `wss://${name}/chat`, `ws://${name}/chat`];
const people = urls.map((url) => new WebSocket(url, { ca }));
await Promise.all(people.map((person) => once(person, "open")));

let heard = 0;
let wrong = 0;
let longestMs = 0;
for (let word = 0; word < WORDS; word++) {
  for (const [speaker, person] of people.entries()) {
    const said = `${speaker} says ${word} ${"x".repeat(word * 200)}`;
    const others = people.filter((other) => other !== person).map((other) => once(other, "message"));
    const begun = performance.now();
    person.send(said);
    for (const [message] of await Promise.all(others)) {
      heard += 1;
      if (String(message) !== said) wrong += 1;
    }
    longestMs = Math.max(longestMs, performance.now() - begun);
  }
}
for (const person of people) person.close();
process.stdout.write(`${JSON.stringify({ heard, wrong, longestMs })}\n`);
