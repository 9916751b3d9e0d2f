import { type RequestOptions, request } from "node:http";
import { request as secureRequest } from "node:https";

export interface FetchedText {
  readonly status: number;
  readonly text: string;
}

const MAX_ANSWER_BYTES = 4_000_000;

/**
 * One GET, its answer whole in memory. Node's own `fetch` would do, at 15 MB of memory for good.
 * @throws Error when the connection fails or the answer is too long
 */
export function fetchText({
  secure = false,
  ...options
}: RequestOptions & { secure?: boolean }): Promise<FetchedText> {
  return new Promise((resolve, reject) => {
    const outgoing = (secure ? secureRequest : request)(options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) response.destroy(new Error("The answer is too long."));
      });
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
      });
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
