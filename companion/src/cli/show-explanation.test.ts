import { explainError, explainUsername } from "@atlantic/shared/exits/explain.ts";
import type { ExplanationView } from "@atlantic/shared/exits/explanation-shape.ts";
import { expect, test } from "vitest";
import { explanationInWords, usernameInWords } from "./show-explanation.ts";

const name = "customer-atl_a-cc-DE-sessid-x";

function explanation(more: Partial<ExplanationView>): ExplanationView {
  const username = explainUsername(name) as ExplanationView["username"];
  return {
    username,
    error: null,
    upstreams: [],
    price: null,
    limits: null,
    accountSession: null,
    session: null,
    ...more,
  };
}

test("everything that the server knows is said", () => {
  const words = explanationInWords(
    name,
    explanation({
      upstreams: [
        {
          name: "dataimpulse",
          label: "DataImpulse",
          refusal: null,
          asked: {
            protocol: "socks5",
            host: "gw.example",
            port: 824,
            username: "••••__cr.de",
            password: "••••",
          },
          evidence: "community",
          lifetimeMinutes: 10,
        },
        {
          name: "office",
          label: "office",
          refusal: "It is not there.",
          asked: null,
          evidence: null,
          lifetimeMinutes: null,
        },
        { name: "local", label: "local", refusal: null, asked: null, evidence: null, lifetimeMinutes: null },
      ],
      price: { plan: "Pro", currency: "EUR", pricePerGb: "2.7500000", includedBytes: "5000000000" },
      limits: {
        remainingBytes: "1500000000",
        requestsPerSecond: 5,
        bandwidth: null,
        connections: 20,
        allowedPorts: ["443"],
        allowedTargets: null,
        blockedTargets: ["*.example"],
        authentication: "password_and_address",
        allowedAddresses: ["198.51.100.7"],
      },
      session: { expiresAt: 90_000, upstream: "dataimpulse", lost: false },
    }),
    0,
  );
  for (const line of [
    "leaves in Germany",
    "In our own spelling: atl_a-cc-de-sid-x",
    "  1. DataImpulse (dataimpulse): socks5://gw.example:824 as ••••__cr.de:••••",
    "(this spelling is known from community sources only)",
    "  2. office: not asked. It is not there.",
    "  3. local: this machine's own exit",
    "2.75 EUR per GB (10^9 bytes) beyond 5.00 GB, by the plan Pro",
    "1.50 GB left; 5 requests/s; no limit of bandwidth; 20 connections; ports 443; not to *.example; by password and address (198.51.100.7)",
    "lives for another 1 min 30 s by dataimpulse",
    "A connection with this name would be tried.",
  ]) {
    expect(words).toContain(line);
  }
});

test("an error is said as HTTP and SOCKS5 clients get it", () => {
  const words = explanationInWords(name, explanation({ error: explainError("no_exit", "Nobody has it.") }));
  expect(words).toContain("It would be refused: no_exit\n  Nobody has it.\n");
  expect(words).toContain(
    'HTTP 503, Proxy-Status: atlantic; error=destination_unavailable; details="no_exit: Nobody has it."',
  );
  expect(words).toContain("SOCKS5: reply 0x01");
});

test("what is underlined stands under what is meant, whatever the name holds", () => {
  const text = "atl_a-cc-de-süd-x";
  const [shown = "", mark = ""] = usernameInWords(text, explainUsername(text)).split("\n");
  expect(shown).toBe("atl_a-cc-de-s?d-x");
  expect(shown.slice(mark.indexOf("^"), mark.lastIndexOf("^") + 1)).toBe("s?d");
});
