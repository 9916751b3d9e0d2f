/**
 * Asks a site for its page again and again, each time by a new connection, and prints when each answer came.
 * @param argv[0] the page's address
 */
import { get } from "node:http";

const [url = ""] = process.argv.slice(2);
/** A request without an answer must not hide that the next one would have had one. */
const TIMEOUT_MS = 5_000;
const PAUSE_MS = 5;

function ask(): void {
  const request = get(url, { agent: false, timeout: TIMEOUT_MS }, (response) => {
    response.resume();
    response.once("end", () => {
      process.stdout.write(`${JSON.stringify({ answered: Date.now() })}\n`);
      setTimeout(ask, PAUSE_MS);
    });
    response.once("error", () => setTimeout(ask, PAUSE_MS));
  });
  request.once("timeout", () => request.destroy());
  request.once("error", () => setTimeout(ask, PAUSE_MS));
}

ask();
