import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { proxyErrors } from "../../errors.ts";
import { parseGatewayUsername } from "../gateway-username.ts";
import type { ProviderAdapter } from "./provider-adapter.ts";
import { isProviderKind, providerAdapters, providerEntrySchema, providerKinds } from "./provider-adapters.ts";

const page = readFileSync(new URL("../../../docs/exits.md", import.meta.url), "utf8");

/** A row of the table of providers, as the page must have it. */
function rowOf(adapter: ProviderAdapter): string {
  const { kind, entries, chooses, session, udp } = adapter;
  const doors = Object.entries(entries).map(
    ([protocol, { host, port }]) => [`${host}:${port}`, protocol] as const,
  );
  const byDoor = Map.groupBy(doors, ([door]) => door);
  const cells = [
    `\`${kind}\``,
    [...byDoor]
      .map(([door, list]) => `${door} (${list.map(([, protocol]) => protocol).join(", ")})`)
      .join("<br>") || "the entry's own",
    Object.entries(chooses)
      .map(([part, evidence]) => `${partNames[part]}${evidence === "community" ? "†" : ""}`)
      .join(", "),
    session?.lifetime ? `${session.lifetime.minimum}–${session.lifetime.maximum} min` : "none asked for",
    session?.keepAliveMs ? `${session.keepAliveMs / 1_000} s` : "–",
    session?.oneAddress ? "yes" : "no",
    udp ? "yes" : "no",
    session?.evidence === "community" ? "sessions†" : "",
  ];
  return `| ${cells.join(" | ")} |`.replaceAll("  ", " ");
}

const partNames: Readonly<Record<string, string>> = {
  country: "country",
  continent: "continent",
  region: "state",
  city: "city",
  postalCode: "zip",
  asn: "ASN",
};

test.each(providerKinds)("the page's table says of %s what the adapter does", (kind) => {
  expect(page).toContain(rowOf(providerAdapters[kind]));
});

test("every entry that the page prints can be read, and every provider has one", () => {
  const kinds = new Set<string>();
  for (const [, text = ""] of page.matchAll(/```json\n(.*?)```/gs)) {
    const value: { upstreams?: { kind: string }[]; kind?: string } = JSON.parse(text);
    for (const entry of value.upstreams ?? (value.kind ? [value as { kind: string }] : [])) {
      if (!isProviderKind(entry.kind)) continue;
      kinds.add(entry.kind);
      expect(providerEntrySchema.safeParse(entry).error).toBeUndefined();
    }
  }
  expect([...kinds].sort()).toEqual([...providerKinds].sort());
});

test("every user name that the page prints as an example can be read", () => {
  const names = [...page.matchAll(/`((?:atl_k3x9m2qp|customer-atl_k3x9m2qp)[^`<[]*)`/g)].map(
    ([, name = ""]) => name,
  );
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(parseGatewayUsername(name)).not.toHaveProperty("problem");
});

test("every error of the gateway that has to do with exits is in the page's table, with its status", () => {
  for (const code of [
    "bad_username",
    "wrong_credentials",
    "quota_exhausted",
    "no_exit",
    "session_lost",
    "forbidden_target",
    "upstream_denied",
    "upstream_failed",
    "connection_timeout",
  ] as const) {
    expect(page).toMatch(new RegExp(`^\\| ${proxyErrors[code].httpStatus} \\| \`${code}\` \\|`, "m"));
  }
});
