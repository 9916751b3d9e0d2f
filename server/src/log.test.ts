import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createLog } from "./log.ts";

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  let text = "";
  const destination = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  write(createLog("debug", destination));
  return text;
}

const SECRET = "s3cr3t-value";

test.each([
  ["a field of its own", { password: SECRET }],
  ["a field of an object", { credential: { password: SECRET, token: SECRET, secret: SECRET } }],
  ["the headers of a request", { headers: { authorization: SECRET, cookie: SECRET } }],
  [
    "the headers of a request in an object",
    { request: { headers: { "proxy-authorization": SECRET, "set-cookie": SECRET } } },
  ],
  ["the user part of a URL in an error", { err: new Error(`cannot reach http://user:${SECRET}@host:1/`) }],
  [
    "the fragment and the query of a URL",
    { err: new Error(`bad link /sign-in/once#${SECRET} or /x?token=${SECRET}`) },
  ],
  ["the cause of an error", { err: new Error("outer", { cause: new Error(`postgres://u:${SECRET}@h/db`) }) }],
  ["a logged URL", { url: `/api/x?token=${SECRET}` }],
])("a secret does not get into the log: %s", (_, fields) => {
  const text = logged((log) => log.warn(fields, "something happened"));
  expect(text).toContain("something happened");
  expect(text).not.toContain(SECRET);
});

test("what a failed query was run with stays out, what failed stays in", () => {
  const error = Object.assign(new Error("duplicate key value"), {
    code: "23505",
    parameters: [SECRET],
    detail: SECRET,
  });
  const text = logged((log) => log.error({ err: error }, "a query failed"));
  expect(text).toContain("23505");
  expect(text).not.toContain(SECRET);
});
