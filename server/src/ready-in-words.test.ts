import { expect, test } from "vitest";
import { readyInWords } from "./ready-in-words.ts";

const ready = {
  webUrl: "http://localhost:3000",
  gateway: { host: "127.0.0.1", port: 7777 },
  gatewayTls: { port: 7778, fingerprint: "AB:CD", certificate: "/data/certificate.pem", selfSigned: true },
  signInUrl: "http://localhost:3000/sign-in/once#secret",
};

test("it says where everything is, and shows the one-time link to a terminal alone", () => {
  const kept = readyInWords(ready, false);
  expect(kept).toBe(
    "Ready. Web page and API http://localhost:3000, gateway 127.0.0.1:7777.\n" +
      "Over TLS 127.0.0.1:7778; /data/certificate.pem, SHA-256 AB:CD.\n",
  );
  expect(readyInWords(ready, true)).toBe(`${kept}Sign in, once, within 15 minutes: ${ready.signInUrl}\n`);
});
